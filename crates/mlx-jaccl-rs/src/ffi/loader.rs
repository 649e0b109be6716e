//! Opens libmlx by its full path and then the shim, whose need of libmlx is met by the library that is open already.
//! So one addon serves every back end, and loads where there is no MLX at all. Nothing is ever closed again.

use std::ffi::{CStr, c_char};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};

use super::abi::{ABI, Api};
use crate::error::Error;

/// The one version of MLX that the shim is built against and tested with.
pub const MLX_VERSION: &str = "0.32.4";

/// The table of the shim and what was found when it was opened.
pub struct MlxLibrary {
  pub(super) api: &'static Api,
  pub version: String,
  pub backend: String,
  pub isa: String,
}

static LIBRARY: OnceLock<MlxLibrary> = OnceLock::new();
static OPENING: Mutex<()> = Mutex::new(());

/// What `load` opened.
pub fn loaded() -> Result<&'static MlxLibrary, Error> {
  LIBRARY
    .get()
    .ok_or_else(|| Error::Native("MLX is not loaded: call loadMlx() first".into()))
}

/// Opens libmlx and the shim once a process; later calls give what the first one found.
pub fn load(libmlx: &str, shim: &str) -> Result<&'static MlxLibrary, Error> {
  let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
  if let Some(library) = LIBRARY.get() {
    return Ok(library);
  }
  // A library that was opened stays open for good, also when a later check fails: its threads and destructors cannot
  // be taken back.
  std::mem::forget(open(libmlx)?);
  let shim_library = open(shim)?;
  let api = table(&shim_library, shim)?;
  std::mem::forget(shim_library);
  let headers = text((api.headers_version)());
  let version = text((api.mlx_version)());
  if version != MLX_VERSION || headers != MLX_VERSION {
    return Err(Error::Native(format!(
      "{libmlx} is MLX {version} and the shim was built for {headers}, but {MLX_VERSION} is needed: run the set-up again"
    )));
  }
  let library = MlxLibrary {
    api,
    version,
    backend: text((api.mlx_backend)()),
    isa: text((api.cpu_isa)()),
  };
  Ok(LIBRARY.get_or_init(|| library))
}

fn open(path: &str) -> Result<Library, Error> {
  // SAFETY: runs the initialisers of a library that the operator of this process named; both are ours or MLX's.
  unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }
    .map_err(|error| Error::Native(format!("cannot load {path}: {error}")))
}

fn table(library: &Library, path: &str) -> Result<&'static Api, Error> {
  // SAFETY: `mj_api` has this type in every version of shim/api.h.
  let entry: Symbol<extern "C" fn() -> *const Api> = unsafe { library.get(b"mj_api\0") }
    .map_err(|error| Error::Native(format!("{path} is not the shim of this program: {error}")))?;
  let api = (*entry)();
  if api.is_null() {
    return Err(Error::Native(format!("{path} gives no table of functions")));
  }
  // SAFETY: not null, and two u32 come first in every version of the table.
  let head = unsafe { &*api.cast::<[u32; 2]>() };
  if head[0] != ABI || head[1] as usize != size_of::<Api>() {
    return Err(Error::Native(format!(
      "{path} has interface {} of {} bytes, this addon needs {ABI} of {}: build both again",
      head[0],
      head[1],
      size_of::<Api>()
    )));
  }
  // SAFETY: number and size agree, so it is this struct; it is a constant of a library that is never closed.
  Ok(unsafe { &*api })
}

/// Copies a text that the shim owns.
pub(super) fn text(pointer: *const c_char) -> String {
  if pointer.is_null() {
    return String::new();
  }
  // SAFETY: the shim gives null or a NUL-terminated text that lives until its next call on this thread.
  unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
