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
  /// Which way collectives go: "tcp" (default), "jaccl", "jaccl-ring", "ring" or "nccl".
  pub backend: Option<String>,
  /// Of JACCL: for each rank, the devices of its cables towards each rank.
  pub devices: Option<Vec<Vec<Vec<String>>>>,
  /// Of JACCL: where its transport lies.
  pub jaccl_path: Option<String>,
  /// How often a rank tells the others that it lives (500).
  pub beat_ms: Option<i32>,
  /// Silence of a rank that ends the group (4000).
  pub lease_ms: Option<i32>,
  /// How long all ranks may stand inside collectives while nothing moves (8000).
  pub stuck_ms: Option<i32>,
  /// Numbers and sums travel with every operand and are compared (true). Without: a benchmark.
  pub seals: Option<bool>,
  /// JACCL's waits end when the group is lost (true). Without: a benchmark.
  pub guard: Option<bool>,
}

/// What a rank said of itself with its last beat; of this rank: what it is now.
#[napi(object)]
pub struct RankCounters {
  /// Collectives begun and ended. They differ while the rank is inside one.
  pub begun: i64,
  pub ended: i64,
  /// Bytes or completions that came; a collective that moves makes it grow.
  pub progress: i64,
  /// Command buffers submitted.
  pub steps: i64,
  /// Operands of its collectives.
  pub bytes: i64,
  /// Time inside collectives, waiting for other ranks included. The slowest rank has the least.
  pub collective_us: i64,
  /// Milliseconds since its last beat; null: none yet.
  pub heard_ms: Option<i64>,
}

#[napi(object)]
pub struct GroupCounters {
  pub rank: i32,
  pub size: i32,
  /// "tcp", "jaccl-mesh", "jaccl-ring", "ring" or "nccl".
  pub backend: String,
  /// Whether waits of the transport end when the group is lost; else only the end of the process helps.
  pub is_guarded: bool,
  /// Why the group is lost.
  pub lost: Option<String>,
  /// Milliseconds since a collective of this rank ended.
  pub progressed_ms: i64,
  /// By rank.
  pub ranks: Vec<RankCounters>,
  /// Microseconds of processor time that this rank's beats have taken.
  pub beat_us: i64,
}

const BACKENDS: [&str; 5] = ["tcp", "jaccl", "jaccl-ring", "ring", "nccl"];
const BEAT_MS: i32 = 500;
const LEASE_MS: i32 = 4000;
const STUCK_MS: i32 = 8000;

/// Cables joined by '+', cells by ',', rows by ';', as the shim takes them.
fn device_text(rows: &[Vec<Vec<String>>]) -> Result<String, Error> {
  let is_name = |name: &String| !name.is_empty() && !name.contains([';', ',', '+']);
  if !rows.iter().flatten().flatten().all(is_name) {
    return Err(Error::argument("a device has no name, or a mark in it"));
  }
  let cells = |row: &Vec<Vec<String>>| row.iter().map(|cell| cell.join("+")).collect::<Vec<_>>().join(",");
  Ok(rows.iter().map(cells).collect::<Vec<_>>().join(";"))
}

fn c_text(what: &str, value: &str) -> Result<CString, Error> {
  CString::new(value).map_err(|_| Error::argument(format!("{what} holds a NUL")))
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
    let backend = options.backend.as_deref().unwrap_or(BACKENDS[0]);
    if !BACKENDS.contains(&backend) {
      return Err(Error::argument(format!("there is no backend \"{backend}\": {}", BACKENDS.join(", "))).into());
    }
    let addresses = c_text("an address", &list.join(","))?;
    let backend = c_text("a backend", backend)?;
    let devices = c_text(
      "a device",
      &device_text(options.devices.as_deref().unwrap_or_default())?,
    )?;
    let library = c_text("a path", options.jaccl_path.as_deref().unwrap_or_default())?;
    Ok(self.handle()?.group_connect(&GroupOptions {
      rank: options.rank,
      size,
      addresses: addresses.as_ptr(),
      nonce: nonce.as_ptr(),
      connect_ms: options.connect_ms,
      operation_ms: options.operation_ms,
      beat_ms: options.beat_ms.unwrap_or(BEAT_MS),
      lease_ms: options.lease_ms.unwrap_or(LEASE_MS),
      stuck_ms: options.stuck_ms.unwrap_or(STUCK_MS),
      backend: backend.as_ptr(),
      devices: devices.as_ptr(),
      library: library.as_ptr(),
      seals: i32::from(options.seals.unwrap_or(true)),
      guard: i32::from(options.guard.unwrap_or(true)),
    })?)
  }

  /// A message from rank 0 to another rank, or from another rank to rank 0. They come in order.
  #[napi]
  pub fn group_send(&self, rank: i32, message: &[u8]) -> napi::Result<()> {
    Ok(self.handle()?.group_send(rank, message)?)
  }

  /// Measures the link between two ranks: they send each other `bytes` (a multiple of 4) at the same time, `rounds`
  /// times (at most 255). Every rank of the group calls it, while no step runs. The microseconds of each round as rank
  /// `from` saw them.
  #[napi(ts_return_type = "Array<number>")]
  pub fn group_probe(&self, from: i32, to: i32, bytes: i32, rounds: u8) -> napi::Result<Vec<f64>> {
    let us = self.handle()?.group_probe(from, to, bytes, rounds)?;
    Ok(us.into_iter().map(f64::from).collect())
  }

  /// Waits for the next message of a rank; null when none came in time.
  #[napi]
  pub fn group_receive(&self, rank: i32, timeout_ms: i32) -> napi::Result<Option<Uint8Array>> {
    Ok(self.handle()?.group_receive(rank, timeout_ms)?.map(Uint8Array::from))
  }
}

/// Ends every wait of the rank groups of this process, from any thread: steps then fail with "rank group lost: " and
/// the reason, here and on the other ranks. Does nothing before `loadMlx`.
#[napi]
pub fn abort_groups(reason: Option<String>) -> napi::Result<()> {
  let reason = c_text("a reason", reason.as_deref().unwrap_or_default())?;
  if let Ok(library) = ffi::loaded() {
    ffi::abort_groups(library, &reason);
  }
  Ok(())
}

/// Counters of the rank group of this process and what its ranks said last, from any thread; null in no group.
#[napi]
pub fn group_counters() -> napi::Result<Option<GroupCounters>> {
  let Ok(library) = ffi::loaded() else { return Ok(None) };
  let Some(found) = ffi::group_counters(library)? else {
    return Ok(None);
  };
  let known = found.ranks.iter().take(found.size.cast_unsigned() as usize);
  Ok(Some(GroupCounters {
    rank: found.rank,
    size: found.size,
    backend: found.backend(),
    is_guarded: found.guarded != 0,
    lost: (found.lost != 0).then(|| found.reason()),
    progressed_ms: found.progressed_ms,
    beat_us: found.beat_us,
    ranks: known
      .map(|one| RankCounters {
        begun: one.begun.cast_signed(),
        ended: one.ended.cast_signed(),
        progress: one.progress.cast_signed(),
        steps: one.steps.cast_signed(),
        bytes: one.bytes.cast_signed(),
        collective_us: one.collective_us.cast_signed(),
        heard_ms: (one.heard_ms >= 0).then_some(one.heard_ms),
      })
      .collect(),
  }))
}
