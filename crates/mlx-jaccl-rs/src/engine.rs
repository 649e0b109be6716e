//! `NativeEngine` and `loadMlx` as TypeScript sees them: plain data in, plain data out. Knows no pointers.

use std::ffi::CString;

use napi::bindgen_prelude::{Float32ArraySlice, Int32ArraySlice};
use napi_derive::napi;

use crate::checkpoint::{Checkpoint, WeightSource};
use crate::error::Error;
use crate::ffi::{self, EngineHandle, EngineOptions, KvOptions, Lent};

/// What `loadMlx` found.
#[napi(object)]
pub struct MlxInfo {
  pub version: String,
  /// "cpu", "metal" or "cuda".
  pub backend: String,
  /// "avx512", "avx2", "neon" or "scalar" on a CPU; empty on a GPU.
  pub isa: String,
}

/// Opens libmlx and the shim once a process. Throws one line that says what is missing.
#[napi]
pub fn load_mlx(libmlx_path: String, shim_path: String) -> napi::Result<MlxInfo> {
  let library = ffi::load(&libmlx_path, &shim_path)?;
  Ok(MlxInfo {
    version: library.version.clone(),
    backend: library.backend.clone(),
    isa: library.isa.clone(),
  })
}

#[napi(object)]
pub struct NativeEngineOptions {
  /// "cpu" or "gpu".
  pub device: String,
  /// "auto" (own kernels on a CPU, MLX's operations on a GPU), or "mlx" (MLX's operations everywhere; the reference).
  pub executor: Option<String>,
  /// 0: the cores this process may use.
  pub threads: Option<i32>,
  /// "int8x2" (default), "fp32" or "int8": activations of quantized matrix products on a CPU.
  pub numeric: Option<String>,
  /// "auto", "scalar", "avx2", "avx512", "neon".
  pub isa: Option<String>,
  /// MLX's buffer cache.
  pub cache_limit_bytes: Option<f64>,
}

#[napi(object)]
pub struct KvStoreOptions {
  pub layers: i32,
  pub kv_heads: i32,
  pub head_dim: i32,
  pub capacity_bytes: f64,
}

#[napi(object)]
pub struct KvStoreStats {
  pub blocks_total: i64,
  pub blocks_used: i64,
  pub block_bytes: i64,
  /// Positions a block holds.
  pub block_positions: i64,
  pub sequences: i64,
  pub bytes_total: i64,
  pub bytes_used: i64,
}

#[napi(object)]
pub struct EngineMemory {
  pub active_bytes: i64,
  pub peak_bytes: i64,
  pub cache_bytes: i64,
  pub weight_bytes: i64,
  pub kv_bytes: i64,
  pub limit_bytes: i64,
}

/// One of the words an option may have.
fn choice(option: &str, value: Option<String>, known: &[&str]) -> Result<String, Error> {
  let value = value.unwrap_or_else(|| known[0].to_owned());
  if known.contains(&value.as_str()) {
    return Ok(value);
  }
  Err(Error::argument(format!(
    "{option} is \"{value}\": one of {} is possible",
    known.join(", ")
  )))
}

/// A number of bytes as JavaScript gives it.
#[allow(
  clippy::cast_possible_truncation,
  clippy::cast_sign_loss,
  reason = "the range is checked first"
)]
fn bytes(option: &str, value: f64) -> Result<u64, Error> {
  const LARGEST_SAFE: f64 = 9_007_199_254_740_991.0;
  if (0.0..=LARGEST_SAFE).contains(&value) {
    return Ok(value as u64);
  }
  Err(Error::argument(format!("{option} is {value}")))
}

fn c_text(value: &str) -> Result<CString, Error> {
  CString::new(value).map_err(|_| Error::argument("an option holds a NUL"))
}

/// One owner of MLX. Every call comes from the thread that made it.
#[napi]
pub struct NativeEngine {
  handle: Option<EngineHandle>,
  backend: String,
  threads: i32,
}

impl NativeEngine {
  pub(crate) fn handle(&self) -> Result<&EngineHandle, Error> {
    self
      .handle
      .as_ref()
      .ok_or_else(|| Error::argument("the engine is closed"))
  }
}

#[napi]
impl NativeEngine {
  #[napi(constructor)]
  pub fn new(options: NativeEngineOptions) -> napi::Result<Self> {
    let library = ffi::loaded()?;
    let device = choice("device", Some(options.device), &["cpu", "gpu"])?;
    let executor = choice("executor", options.executor, &["auto", "mlx"])?;
    let numeric = choice("numeric", options.numeric, &["int8x2", "fp32", "int8"])?;
    let isa = choice("isa", options.isa, &["auto", "scalar", "avx2", "avx512", "neon"])?;
    let threads = options.threads.unwrap_or(0);
    if threads < 0 {
      return Err(Error::argument(format!("threads is {threads}")).into());
    }
    let cache_limit = options
      .cache_limit_bytes
      .map(|n| bytes("cacheLimitBytes", n))
      .transpose()?;
    let (numeric, isa) = (c_text(&numeric)?, c_text(&isa)?);
    let handle = EngineHandle::open(
      library,
      &EngineOptions {
        gpu: i32::from(device == "gpu"),
        arrays: i32::from(executor == "mlx"),
        threads,
        numeric: numeric.as_ptr(),
        isa: isa.as_ptr(),
        cache_limit: cache_limit.unwrap_or(u64::MAX),
      },
    )?;
    Ok(Self {
      backend: handle.backend(),
      threads: handle.threads(),
      handle: Some(handle),
    })
  }

  /// Which back end runs: "cpu-avx512", "cpu-scalar", "mlx-cpu", "metal", "cuda", ...
  #[napi(getter)]
  pub fn backend(&self) -> String {
    self.backend.clone()
  }

  /// Threads of the own kernels; 0 where MLX runs everything.
  #[napi(getter)]
  pub fn threads(&self) -> i32 {
    self.threads
  }

  /// Reads a weight and keeps it under a number, packed as the back end wants it. The file's bytes are let go.
  #[napi]
  pub fn load_weight(&self, weight: i32, checkpoint: &Checkpoint, source: WeightSource) -> napi::Result<()> {
    let tensor = checkpoint.read(&source)?;
    Ok(self.handle()?.load_tensor(weight, &tensor)?)
  }

  /// A vector of f32 computed by the caller (rope frequencies).
  #[napi(ts_args_type = "weight: number, values: Float32Array")]
  pub fn load_vector(&self, weight: i32, values: Float32ArraySlice<'_>) -> napi::Result<()> {
    Ok(self.handle()?.load_vector(weight, &values)?)
  }

  #[napi]
  pub fn free_weight(&self, weight: i32) -> napi::Result<()> {
    Ok(self.handle()?.free_weight(weight)?)
  }

  #[napi]
  pub fn weight_bytes(&self, weight: i32) -> napi::Result<i64> {
    Ok(self.handle()?.weight_bytes(weight)?)
  }

  /// Memory for the sequences of one model. Returns its number.
  #[napi]
  pub fn kv_store(&self, options: KvStoreOptions) -> napi::Result<i32> {
    let capacity_bytes = bytes("capacityBytes", options.capacity_bytes)?;
    Ok(self.handle()?.kv_store(&KvOptions {
      layers: options.layers,
      kv_heads: options.kv_heads,
      head_dim: options.head_dim,
      capacity_bytes,
    })?)
  }

  #[napi]
  pub fn kv_store_free(&self, store: i32) -> napi::Result<()> {
    Ok(self.handle()?.kv_store_free(store)?)
  }

  /// A new, empty sequence. Returns its handle.
  #[napi]
  pub fn kv_open(&self, store: i32) -> napi::Result<i32> {
    Ok(self.handle()?.kv_open(store)?)
  }

  /// A new sequence that shares the first `length` positions of another.
  #[napi]
  pub fn kv_fork(&self, handle: i32, length: i32) -> napi::Result<i32> {
    Ok(self.handle()?.kv_fork(handle, length)?)
  }

  /// Forgets the positions from `length` on.
  #[napi]
  pub fn kv_truncate(&self, handle: i32, length: i32) -> napi::Result<()> {
    Ok(self.handle()?.kv_truncate(handle, length)?)
  }

  #[napi]
  pub fn kv_close(&self, handle: i32) -> napi::Result<()> {
    Ok(self.handle()?.kv_close(handle)?)
  }

  #[napi]
  pub fn kv_length(&self, handle: i32) -> napi::Result<i32> {
    Ok(self.handle()?.kv_length(handle)?)
  }

  #[napi]
  pub fn kv_stats(&self, store: i32) -> napi::Result<KvStoreStats> {
    let stats = self.handle()?.kv_stats(store)?;
    Ok(KvStoreStats {
      blocks_total: stats.blocks_total,
      blocks_used: stats.blocks_used,
      block_bytes: stats.block_bytes.cast_signed(),
      block_positions: stats.block_positions,
      sequences: stats.sequences,
      bytes_total: stats.bytes_total.cast_signed(),
      bytes_used: stats.bytes_used.cast_signed(),
    })
  }

  /// Copies the KV of positions `from` to `to` - 1, f32: keys [layers, kv heads, positions, head dim], then values alike.
  /// `out` has as many numbers as they are. Waits for the submitted steps.
  #[napi(ts_args_type = "handle: number, from: number, to: number, out: Float32Array")]
  pub fn kv_read(&self, handle: i32, from: i32, to: i32, mut out: Float32ArraySlice<'_>) -> napi::Result<()> {
    Ok(self.handle()?.kv_read(handle, from, to, &mut out)?)
  }

  /// Writes what `kvRead` gave behind the last position of a sequence. Waits for the submitted steps.
  #[napi(ts_args_type = "handle: number, values: Float32Array")]
  pub fn kv_append(&self, handle: i32, values: Float32ArraySlice<'_>) -> napi::Result<()> {
    Ok(self.handle()?.kv_append(handle, &values)?)
  }

  /// Runs one command buffer (shim/opcodes.h). Returns after submission; errors name the operation.
  #[napi(ts_args_type = "tape: Int32Array, length: number")]
  pub fn exec(&self, tape: Int32ArraySlice<'_>, length: u32) -> napi::Result<()> {
    let words = tape.get(..length as usize).ok_or_else(|| {
      Error::argument(format!(
        "the command buffer has {} words, {length} were asked to run",
        tape.len()
      ))
    })?;
    Ok(self.handle()?.exec(words)?)
  }

  /// Waits for an i32 register and copies it. Returns the number of elements.
  #[napi(ts_args_type = "register: number, out: Int32Array")]
  pub fn read_tokens(&self, register: i32, mut out: Int32ArraySlice<'_>) -> napi::Result<i64> {
    Ok(ffi::copy_out(self.handle()?, register, Lent::Tokens(&mut out))?)
  }

  /// Waits for an f32 register and copies it. Returns the number of elements.
  #[napi(ts_args_type = "register: number, out: Float32Array")]
  pub fn read_floats(&self, register: i32, mut out: Float32ArraySlice<'_>) -> napi::Result<i64> {
    Ok(ffi::copy_out(self.handle()?, register, Lent::Floats(&mut out))?)
  }

  /// Lets go of MLX's cached buffers.
  #[napi]
  pub fn clear_cache(&self) -> napi::Result<()> {
    Ok(self.handle()?.clear_cache()?)
  }

  #[napi]
  pub fn memory(&self) -> napi::Result<EngineMemory> {
    let memory = self.handle()?.memory()?;
    Ok(EngineMemory {
      active_bytes: memory.active.cast_signed(),
      peak_bytes: memory.peak.cast_signed(),
      cache_bytes: memory.cache.cast_signed(),
      weight_bytes: memory.weights.cast_signed(),
      kv_bytes: memory.kv.cast_signed(),
      limit_bytes: memory.limit.cast_signed(),
    })
  }

  /// Waits for the submitted steps and frees everything. Later calls say that the engine is closed.
  #[napi]
  pub fn close(&mut self) {
    self.handle = None;
  }
}
