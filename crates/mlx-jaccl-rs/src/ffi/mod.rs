//! Everything unsafe of the crate that touches the shim: its table of functions, how it is opened, and safe handles
//! over it. Nothing outside this folder calls a C function.

mod abi;
mod handle;
mod loader;

pub use abi::{EngineOptions, GroupOptions, KvOptions};
pub use handle::{EngineHandle, Lent, abort_groups, copy_out, group_counters};
pub use loader::{load, loaded};
