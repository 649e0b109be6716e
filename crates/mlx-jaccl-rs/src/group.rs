//! The rank group of a `NativeEngine` as TypeScript sees it: joining, messages between rank 0 and the others, abort.
//! Collectives themselves are operations of a command buffer.

use std::ffi::CString;

use napi::bindgen_prelude::{Float32ArraySlice, Uint8Array};
use napi_derive::napi;

use crate::engine::NativeEngine;
use crate::error::Error;
use crate::ffi::{self, GroupOptions};

/// Bytes of the number that proves that a peer is of the group.
const NONCE_BYTES: usize = 32;

#[napi(object)]
pub struct RankAddress {
  /// Numeric.
  pub host: String,
  pub port: i32,
}

#[napi(object)]
pub struct RankGroupOptions {
  pub rank: i32,
  /// Of the listeners of all ranks, in rank order.
  pub addresses: Vec<RankAddress>,
  /// 64 hexadecimal digits, known to the ranks of this group alone.
  pub nonce: String,
  /// How long the ranks may take to meet.
  pub connect_ms: i32,
  /// How long one collective, or the sending of one message, may take.
  pub operation_ms: i32,
}

/// Of the steps that have run, waiting for other ranks included.
#[napi(object)]
pub struct CollectiveTotals {
  pub operations: i64,
  /// Of this rank's operands.
  pub bytes: i64,
  pub microseconds: f64,
  /// How many steps the call told of.
  pub steps: i32,
}

fn parse_nonce(text: &str) -> Result<[u8; NONCE_BYTES], Error> {
  let wrong = || Error::argument("the nonce of a rank group is not 64 hexadecimal digits");
  let digits = text.as_bytes();
  if digits.len() != 2 * NONCE_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
    return Err(wrong());
  }
  let mut nonce = [0; NONCE_BYTES];
  for (byte, pair) in nonce.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
    let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
    *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
  }
  Ok(nonce)
}

#[napi]
impl NativeEngine {
  /// What the collectives of the steps cost so far; all zero where MLX runs them. `steps` gets the microseconds that
  /// each step since the last call spent in them, oldest first: the newest that fit.
  #[napi(ts_args_type = "steps: Float32Array")]
  pub fn collectives(&self, mut steps: Float32ArraySlice<'_>) -> napi::Result<CollectiveTotals> {
    let (totals, told) = self.handle()?.collectives(&mut steps)?;
    Ok(CollectiveTotals {
      operations: totals.operations.cast_signed(),
      bytes: totals.bytes.cast_signed(),
      microseconds: totals.microseconds,
      steps: told,
    })
  }

  /// Listens for the other ranks of a group on a numeric address. Returns the port.
  #[napi]
  pub fn group_listen(&self, host: String) -> napi::Result<i32> {
    let host = CString::new(host).map_err(|_| Error::argument("an address holds a NUL"))?;
    Ok(self.handle()?.group_listen(&host)?)
  }

  /// Meets the other ranks. Later steps run their collectives in this group, and fail with "rank group lost: ..." when
  /// a rank is gone, does not take part in time, or the group is aborted.
  #[napi]
  pub fn group_connect(&self, options: RankGroupOptions) -> napi::Result<()> {
    let nonce = parse_nonce(&options.nonce)?;
    let size = i32::try_from(options.addresses.len()).map_err(|_| Error::argument("too many ranks"))?;
    let list: Vec<String> = options
      .addresses
      .iter()
      .map(|address| format!("{} {}", address.host, address.port))
      .collect();
    let addresses = CString::new(list.join(",")).map_err(|_| Error::argument("an address holds a NUL"))?;
    Ok(self.handle()?.group_connect(&GroupOptions {
      rank: options.rank,
      size,
      addresses: addresses.as_ptr(),
      nonce: nonce.as_ptr(),
      connect_ms: options.connect_ms,
      operation_ms: options.operation_ms,
    })?)
  }

  /// A message from rank 0 to another rank, or from another rank to rank 0. They come in order.
  #[napi]
  pub fn group_send(&self, rank: i32, message: &[u8]) -> napi::Result<()> {
    Ok(self.handle()?.group_send(rank, message)?)
  }

  /// Waits for the next message of a rank; null when none came in time.
  #[napi]
  pub fn group_receive(&self, rank: i32, timeout_ms: i32) -> napi::Result<Option<Uint8Array>> {
    Ok(self.handle()?.group_receive(rank, timeout_ms)?.map(Uint8Array::from))
  }
}

/// Ends every wait of the rank groups of this process, from any thread. Does nothing before `loadMlx`.
#[napi]
pub fn abort_groups() {
  if let Ok(library) = ffi::loaded() {
    ffi::abort_groups(library);
  }
}
