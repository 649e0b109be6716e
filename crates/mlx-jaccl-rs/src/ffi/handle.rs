//! An engine of the shim behind safe calls. Owns the pointer; the thread that opened it is the only one that calls.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use napi::bindgen_prelude::{Float32ArraySlice, Int32ArraySlice};

use super::abi::{Collectives, Engine, EngineOptions, GroupCounters, GroupOptions, KvOptions, KvStats, Memory};
use super::loader::{MlxLibrary, text};
use crate::checkpoint::{Elements, HostTensor};
use crate::error::Error;

pub struct EngineHandle {
  library: &'static MlxLibrary,
  engine: *mut Engine,
  /// MLX's streams belong to a thread: neither sent nor shared.
  _one_thread: PhantomData<*const ()>,
}

impl Drop for EngineHandle {
  fn drop(&mut self) {
    // SAFETY: `open` gave the pointer and it is closed once.
    unsafe { (self.library.api.close)(self.engine) }
  }
}

/// An array that JavaScript lends for the length of a call.
pub enum Lent<'a, 'b> {
  Tokens(&'a mut Int32ArraySlice<'b>),
  Floats(&'a mut Float32ArraySlice<'b>),
}

/// Waits for a register and copies it into an array of JavaScript; the number of elements.
pub fn copy_out(engine: &EngineHandle, register: i32, out: Lent<'_, '_>) -> Result<i64, Error> {
  let table = engine.library.api;
  let copied = match out {
    Lent::Tokens(array) => {
      // SAFETY: the array is lent for this call, and JavaScript does not run meanwhile.
      let room = unsafe { array.as_mut() };
      // SAFETY: the engine is open, and `room` has as many elements as it says.
      unsafe {
        (table.read_tokens)(
          engine.engine,
          register,
          room.as_mut_ptr(),
          room.len().cast_signed() as i64,
        )
      }
    }
    Lent::Floats(array) => {
      // SAFETY: the array is lent for this call, and JavaScript does not run meanwhile.
      let room = unsafe { array.as_mut() };
      // SAFETY: the engine is open, and `room` has as many elements as it says.
      unsafe {
        (table.read_floats)(
          engine.engine,
          register,
          room.as_mut_ptr(),
          room.len().cast_signed() as i64,
        )
      }
    }
  };
  engine.known(copied)
}

fn size(what: &str, n: usize) -> Result<c_int, Error> {
  c_int::try_from(n).map_err(|_| Error::argument(format!("{what} of {n} is too large")))
}

fn elements(kind: Elements) -> c_int {
  match kind {
    Elements::F32 => 0,
    Elements::F16 => 1,
    Elements::BF16 => 2,
  }
}

/// A tensor must bring the bytes that its sizes promise: the shim reads as many.
fn expect(what: &str, have: usize, need: usize) -> Result<(), Error> {
  if have == need {
    return Ok(());
  }
  Err(Error::model(format!("{what} has {have} bytes, its shape needs {need}")))
}

impl EngineHandle {
  pub fn open(library: &'static MlxLibrary, options: &EngineOptions) -> Result<Self, Error> {
    // SAFETY: the options and their texts live until the call returns.
    let engine = unsafe { (library.api.open)(options) };
    let handle = Self {
      library,
      engine,
      _one_thread: PhantomData,
    };
    if engine.is_null() {
      let error = handle.failure();
      std::mem::forget(handle);
      return Err(error);
    }
    Ok(handle)
  }

  fn failure(&self) -> Error {
    Error::Native(text((self.library.api.last_error)()))
  }

  fn known<T: Into<i64> + Copy>(&self, code: T) -> Result<T, Error> {
    if code.into() < 0 { Err(self.failure()) } else { Ok(code) }
  }

  pub fn backend(&self) -> String {
    // SAFETY: the engine is open.
    text(unsafe { (self.library.api.backend)(self.engine) })
  }

  pub fn threads(&self) -> i32 {
    // SAFETY: the engine is open.
    unsafe { (self.library.api.threads)(self.engine) }
  }

  pub fn load_tensor(&self, weight: i32, tensor: &HostTensor) -> Result<(), Error> {
    match tensor {
      HostTensor::Dense {
        data,
        elements: kind,
        rows,
        columns,
      } => {
        expect("a dense matrix", data.len(), rows * columns * kind.size_bytes())?;
        let (n, k) = (size("rows", *rows)?, size("columns", *columns)?);
        // SAFETY: the engine is open and copies n * k elements, which `data` was found to have.
        let code =
          unsafe { (self.library.api.weight_dense)(self.engine, weight, data.as_ptr().cast(), elements(*kind), n, k) };
        self.known(code).map(drop)
      }
      HostTensor::Affine {
        words,
        scales,
        biases,
        scale_elements,
        rows,
        columns,
        bits,
        group,
      } => {
        if *group == 0 {
          return Err(Error::model("a packed matrix has groups of 0"));
        }
        let groups = rows * (columns / group) * scale_elements.size_bytes();
        expect(
          "a packed matrix",
          words.len() * 4,
          rows * (columns * *bits as usize / 32) * 4,
        )?;
        expect("the scales of a packed matrix", scales.len(), groups)?;
        expect("the biases of a packed matrix", biases.len(), groups)?;
        let (n, k) = (size("rows", *rows)?, size("columns", *columns)?);
        let (bits, group) = (size("bits", *bits as usize)?, size("groups", *group)?);
        // SAFETY: the engine is open, and the three arrays were found to have what the shape needs.
        let code = unsafe {
          (self.library.api.weight_affine)(
            self.engine,
            weight,
            words.as_ptr(),
            scales.as_ptr().cast(),
            biases.as_ptr().cast(),
            elements(*scale_elements),
            n,
            k,
            bits,
            group,
          )
        };
        self.known(code).map(drop)
      }
      HostTensor::Mxfp4 {
        words,
        scales,
        rows,
        columns,
      } => {
        expect("an mxfp4 matrix", words.len() * 4, rows * (columns / 8) * 4)?;
        expect("the scales of an mxfp4 matrix", scales.len(), rows * (columns / 32))?;
        let (n, k) = (size("rows", *rows)?, size("columns", *columns)?);
        // SAFETY: the engine is open, and both arrays were found to have what the shape needs.
        let code =
          unsafe { (self.library.api.weight_mxfp4)(self.engine, weight, words.as_ptr(), scales.as_ptr(), n, k) };
        self.known(code).map(drop)
      }
      HostTensor::Vector { values } => self.load_vector(weight, values),
    }
  }

  pub fn load_vector(&self, weight: i32, values: &[f32]) -> Result<(), Error> {
    let n = size("a vector", values.len())?;
    // SAFETY: the engine is open and copies n elements.
    let code = unsafe { (self.library.api.weight_vector)(self.engine, weight, values.as_ptr(), n) };
    self.known(code).map(drop)
  }

  pub fn free_weight(&self, weight: i32) -> Result<(), Error> {
    // SAFETY: the engine is open.
    self
      .known(unsafe { (self.library.api.weight_free)(self.engine, weight) })
      .map(drop)
  }

  pub fn weight_bytes(&self, weight: i32) -> Result<i64, Error> {
    // SAFETY: the engine is open.
    self.known(unsafe { (self.library.api.weight_bytes)(self.engine, weight) })
  }

  pub fn kv_store(&self, options: &KvOptions) -> Result<i32, Error> {
    // SAFETY: the engine is open and the options live until the call returns.
    self.known(unsafe { (self.library.api.kv_store)(self.engine, options) })
  }

  pub fn kv_store_free(&self, store: i32) -> Result<(), Error> {
    // SAFETY: the engine is open.
    self
      .known(unsafe { (self.library.api.kv_store_free)(self.engine, store) })
      .map(drop)
  }

  pub fn kv_open(&self, store: i32) -> Result<i32, Error> {
    // SAFETY: the engine is open.
    self.known(unsafe { (self.library.api.kv_open)(self.engine, store) })
  }

  pub fn kv_fork(&self, handle: i32, length: i32) -> Result<i32, Error> {
    // SAFETY: the engine is open.
    self.known(unsafe { (self.library.api.kv_fork)(self.engine, handle, length) })
  }

  pub fn kv_truncate(&self, handle: i32, length: i32) -> Result<(), Error> {
    // SAFETY: the engine is open.
    self
      .known(unsafe { (self.library.api.kv_truncate)(self.engine, handle, length) })
      .map(drop)
  }

  pub fn kv_close(&self, handle: i32) -> Result<(), Error> {
    // SAFETY: the engine is open.
    self
      .known(unsafe { (self.library.api.kv_close)(self.engine, handle) })
      .map(drop)
  }

  pub fn kv_length(&self, handle: i32) -> Result<i32, Error> {
    // SAFETY: the engine is open.
    self.known(unsafe { (self.library.api.kv_length)(self.engine, handle) })
  }

  pub fn kv_stats(&self, store: i32) -> Result<KvStats, Error> {
    let mut stats = KvStats::default();
    // SAFETY: the engine is open and `stats` is this struct.
    self.known(unsafe { (self.library.api.kv_stats)(self.engine, store, &raw mut stats) })?;
    Ok(stats)
  }

  /// Copies positions `from .. to`, whose numbers `out` has room for; the shim checks both.
  pub fn kv_read(&self, handle: i32, from: i32, to: i32, out: &mut Float32ArraySlice<'_>) -> Result<(), Error> {
    // SAFETY: the array is lent for this call, and JavaScript does not run meanwhile.
    let room = unsafe { out.as_mut() };
    let capacity = room.len().cast_signed() as i64;
    // SAFETY: the engine is open, and `room` has as many elements as it says.
    let code = unsafe { (self.library.api.kv_read)(self.engine, handle, from, to, room.as_mut_ptr(), capacity) };
    self.known(code).map(drop)
  }

  pub fn kv_append(&self, handle: i32, values: &[f32]) -> Result<(), Error> {
    let count = values.len().cast_signed() as i64;
    // SAFETY: the engine is open and copies `count` numbers.
    self
      .known(unsafe { (self.library.api.kv_append)(self.engine, handle, values.as_ptr(), count) })
      .map(drop)
  }

  pub fn exec(&self, tape: &[i32]) -> Result<(), Error> {
    let length = size("a command buffer", tape.len())?;
    // SAFETY: the engine is open; the shim copies `length` words and checks every one before it uses it.
    self
      .known(unsafe { (self.library.api.exec)(self.engine, tape.as_ptr(), length) })
      .map(drop)
  }

  pub fn clear_cache(&self) -> Result<(), Error> {
    // SAFETY: the engine is open.
    self
      .known(unsafe { (self.library.api.clear_cache)(self.engine) })
      .map(drop)
  }

  pub fn memory(&self) -> Result<Memory, Error> {
    let mut memory = Memory::default();
    // SAFETY: the engine is open and `memory` is this struct.
    self.known(unsafe { (self.library.api.memory)(self.engine, &raw mut memory) })?;
    Ok(memory)
  }

  /// Totals, and into `steps` what each step since the last call spent in collectives; how many steps that are.
  pub fn collectives(&self, steps: &mut Float32ArraySlice<'_>) -> Result<(Collectives, i32), Error> {
    let mut totals = Collectives::default();
    // SAFETY: the array is lent for this call, and JavaScript does not run meanwhile.
    let room = unsafe { steps.as_mut() };
    let capacity = size("a list of steps", room.len())?;
    // SAFETY: the engine is open, `totals` is this struct, and the shim writes at most `capacity` numbers.
    let told = unsafe { (self.library.api.collectives)(self.engine, &raw mut totals, room.as_mut_ptr(), capacity) };
    Ok((totals, self.known(told)?))
  }

  /// Microseconds of each round. The shim checks the ranks and bounds `rounds`.
  pub fn group_probe(&self, from: i32, to: i32, bytes: i32, rounds: u8) -> Result<Vec<f32>, Error> {
    let mut us = vec![0.0; usize::from(rounds)];
    // SAFETY: the engine is open, and the shim writes `rounds` numbers.
    let done =
      unsafe { (self.library.api.group_probe)(self.engine, from, to, bytes, i32::from(rounds), us.as_mut_ptr()) };
    self.known(done)?;
    Ok(us)
  }

  pub fn group_listen(&self, host: &CStr) -> Result<i32, Error> {
    // SAFETY: the engine is open and the text lives until the call returns.
    self.known(unsafe { (self.library.api.group_listen)(self.engine, host.as_ptr()) })
  }

  pub fn group_connect(&self, options: &GroupOptions) -> Result<(), Error> {
    // SAFETY: the engine is open; the text and the 32 bytes that the options name live until the call returns.
    self
      .known(unsafe { (self.library.api.group_connect)(self.engine, options) })
      .map(drop)
  }

  pub fn group_send(&self, rank: i32, bytes: &[u8]) -> Result<(), Error> {
    let length = size("a message", bytes.len())?;
    // SAFETY: the engine is open and copies `length` bytes.
    self
      .known(unsafe { (self.library.api.group_send)(self.engine, rank, bytes.as_ptr(), length) })
      .map(drop)
  }

  /// The next message of a rank, or none when none came in time.
  pub fn group_receive(&self, rank: i32, timeout_ms: i32) -> Result<Option<Vec<u8>>, Error> {
    // SAFETY: the engine is open.
    let length = self.known(unsafe { (self.library.api.group_receive)(self.engine, rank, timeout_ms) })?;
    if length == 0 {
      return Ok(None);
    }
    let mut message = vec![0; length.cast_unsigned() as usize];
    // SAFETY: the engine is open and copies the message it has just found, whose length it told.
    self.known(unsafe { (self.library.api.group_take)(self.engine, rank, message.as_mut_ptr()) })?;
    Ok(Some(message))
  }
}

/// Ends every wait in a collective of this process, from any thread.
pub fn abort_groups(library: &'static MlxLibrary, reason: &CStr) {
  // SAFETY: the shim copies the text, which lives until the call returns.
  unsafe { (library.api.group_abort)(reason.as_ptr()) }
}

/// The counters of the newest group of this process, from any thread; none where it is in no group.
pub fn group_counters(library: &'static MlxLibrary) -> Result<Option<GroupCounters>, Error> {
  let mut counters = MaybeUninit::<GroupCounters>::zeroed();
  // SAFETY: the shim fills this struct, or leaves it.
  let found = unsafe { (library.api.group_counters)(counters.as_mut_ptr()) };
  match found {
    0 => Ok(None),
    // SAFETY: numbers and bytes only, of which every value is one; all were zeroed.
    1 => Ok(Some(unsafe { counters.assume_init() })),
    _ => Err(Error::Native(text((library.api.last_error)()))),
  }
}
