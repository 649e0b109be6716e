//! Mirror of shim/api.h, field by field and in its order. A change there is a change here and a new ABI number.

use std::ffi::{c_char, c_int, c_void};

pub const ABI: u32 = 7;

#[repr(C)]
pub struct Engine {
  _opaque: [u8; 0],
}

#[repr(C)]
pub struct EngineOptions {
  pub gpu: i32,
  pub arrays: i32,
  pub threads: i32,
  pub numeric: *const c_char,
  pub isa: *const c_char,
  pub cache_limit: u64,
}

#[repr(C)]
pub struct KvOptions {
  pub layers: i32,
  pub kv_heads: i32,
  pub head_dim: i32,
  pub capacity_bytes: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct KvStats {
  pub blocks_total: i64,
  pub blocks_used: i64,
  pub block_positions: i64,
  pub sequences: i64,
  pub block_bytes: u64,
  pub bytes_total: u64,
  pub bytes_used: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct Memory {
  pub active: u64,
  pub peak: u64,
  pub cache: u64,
  pub weights: u64,
  pub kv: u64,
  pub limit: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct Collectives {
  pub operations: u64,
  pub bytes: u64,
  pub microseconds: f64,
}

#[repr(C)]
pub struct GroupOptions {
  pub rank: i32,
  pub size: i32,
  pub addresses: *const c_char,
  pub nonce: *const u8,
  pub connect_ms: i32,
  pub operation_ms: i32,
  pub beat_ms: i32,
  pub lease_ms: i32,
  pub stuck_ms: i32,
  pub backend: *const c_char,
  pub devices: *const c_char,
  pub library: *const c_char,
  pub seals: i32,
  pub guard: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RankCounters {
  pub begun: u64,
  pub ended: u64,
  pub progress: u64,
  pub steps: u64,
  pub bytes: u64,
  pub collective_us: u64,
  pub heard_ms: i64,
}

pub const MOST_RANKS: usize = 8;

#[repr(C)]
pub struct GroupCounters {
  pub rank: i32,
  pub size: i32,
  pub guarded: i32,
  pub lost: i32,
  pub progressed_ms: i64,
  pub backend: [c_char; 16],
  pub reason: [c_char; 256],
  pub ranks: [RankCounters; MOST_RANKS],
  pub beat_us: i64,
}

impl GroupCounters {
  pub fn backend(&self) -> String {
    until_nul(&self.backend)
  }

  pub fn reason(&self) -> String {
    until_nul(&self.reason)
  }
}

fn until_nul(text: &[c_char]) -> String {
  let bytes: Vec<u8> = text
    .iter()
    .map(|c| c.to_ne_bytes()[0])
    .take_while(|byte| *byte != 0)
    .collect();
  String::from_utf8_lossy(&bytes).into_owned()
}

type Text = extern "C" fn() -> *const c_char;

#[repr(C)]
pub struct Api {
  pub abi: u32,
  pub size: u32,
  pub last_error: Text,
  pub mlx_version: Text,
  pub headers_version: Text,
  pub mlx_backend: Text,
  pub cpu_isa: Text,

  pub open: unsafe extern "C" fn(*const EngineOptions) -> *mut Engine,
  pub close: unsafe extern "C" fn(*mut Engine),
  pub backend: unsafe extern "C" fn(*mut Engine) -> *const c_char,
  pub threads: unsafe extern "C" fn(*mut Engine) -> c_int,

  pub weight_dense: unsafe extern "C" fn(*mut Engine, c_int, *const c_void, c_int, c_int, c_int) -> c_int,
  pub weight_affine: unsafe extern "C" fn(
    *mut Engine,
    c_int,
    *const u32,
    *const c_void,
    *const c_void,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
  ) -> c_int,
  pub weight_mxfp4: unsafe extern "C" fn(*mut Engine, c_int, *const u32, *const u8, c_int, c_int) -> c_int,
  pub weight_vector: unsafe extern "C" fn(*mut Engine, c_int, *const f32, c_int) -> c_int,
  pub weight_free: unsafe extern "C" fn(*mut Engine, c_int) -> c_int,
  pub weight_bytes: unsafe extern "C" fn(*mut Engine, c_int) -> i64,

  pub kv_store: unsafe extern "C" fn(*mut Engine, *const KvOptions) -> c_int,
  pub kv_store_free: unsafe extern "C" fn(*mut Engine, c_int) -> c_int,
  pub kv_open: unsafe extern "C" fn(*mut Engine, c_int) -> c_int,
  pub kv_fork: unsafe extern "C" fn(*mut Engine, c_int, c_int) -> c_int,
  pub kv_truncate: unsafe extern "C" fn(*mut Engine, c_int, c_int) -> c_int,
  pub kv_close: unsafe extern "C" fn(*mut Engine, c_int) -> c_int,
  pub kv_length: unsafe extern "C" fn(*mut Engine, c_int) -> c_int,
  pub kv_stats: unsafe extern "C" fn(*mut Engine, c_int, *mut KvStats) -> c_int,

  pub exec: unsafe extern "C" fn(*mut Engine, *const i32, c_int) -> c_int,
  pub read_tokens: unsafe extern "C" fn(*mut Engine, c_int, *mut i32, i64) -> i64,
  pub read_floats: unsafe extern "C" fn(*mut Engine, c_int, *mut f32, i64) -> i64,

  pub clear_cache: unsafe extern "C" fn(*mut Engine) -> c_int,
  pub memory: unsafe extern "C" fn(*mut Engine, *mut Memory) -> c_int,

  pub group_listen: unsafe extern "C" fn(*mut Engine, *const c_char) -> c_int,
  pub group_connect: unsafe extern "C" fn(*mut Engine, *const GroupOptions) -> c_int,
  pub group_send: unsafe extern "C" fn(*mut Engine, c_int, *const u8, c_int) -> c_int,
  pub group_receive: unsafe extern "C" fn(*mut Engine, c_int, c_int) -> c_int,
  pub group_take: unsafe extern "C" fn(*mut Engine, c_int, *mut u8) -> c_int,
  pub group_abort: unsafe extern "C" fn(*const c_char),
  pub group_counters: unsafe extern "C" fn(*mut GroupCounters) -> c_int,

  pub collectives: unsafe extern "C" fn(*mut Engine, *mut Collectives, *mut f32, c_int) -> c_int,

  pub group_probe: unsafe extern "C" fn(*mut Engine, c_int, c_int, c_int, c_int, *mut f32) -> c_int,

  pub kv_read: unsafe extern "C" fn(*mut Engine, c_int, c_int, c_int, *mut f32, i64) -> c_int,
  pub kv_append: unsafe extern "C" fn(*mut Engine, c_int, *const f32, i64) -> c_int,
}

#[cfg(test)]
mod tests {
  use super::Api;

  /// Two numbers, then as many function pointers as shim/api.h declares.
  #[test]
  fn the_table_has_the_fields_of_the_header() {
    let header = include_str!("../../shim/api.h");
    let table = header
      .split("typedef struct mj_api_table {")
      .nth(1)
      .and_then(|rest| rest.split("} mj_api_table;").next())
      .expect("shim/api.h declares mj_api_table");
    let functions = table.matches("(*").count();
    assert_eq!(size_of::<Api>(), 8 + functions * size_of::<fn()>());
  }
}
