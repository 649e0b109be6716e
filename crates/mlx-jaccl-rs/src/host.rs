//! Facts of this machine and process. Knows nothing of MLX or of models.

use crate::error::Error;
use napi_derive::napi;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

/// Facts of this machine and process, without MLX. Sizes in bytes.
#[napi(object)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMemory {
  /// What this process may use at most: the machine's memory, or the limit of its control group.
  pub total_bytes: i64,
  pub available_bytes: i64,
  pub process_rss_bytes: i64,
  pub process_peak_bytes: i64,
}

#[napi]
pub fn host_memory() -> napi::Result<HostMemory> {
  Ok(read()?)
}

/// Gives freed memory of the native heap back to the system, where the allocator keeps it (glibc).
#[napi]
pub fn trim_memory() {
  system::trim();
}

/// Microseconds of processor time that the calling thread has had so far: waiting, for a core too, is not in it.
#[napi]
pub fn thread_cpu_us() -> f64 {
  let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
  // SAFETY: the clock exists on Linux and macOS, and writes one timespec.
  let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used) };
  if failed != 0 {
    return 0.0;
  }
  let seconds = u64::try_from(used.tv_sec).unwrap_or_default();
  let nanoseconds = u32::try_from(used.tv_nsec).unwrap_or_default();
  Duration::new(seconds, nanoseconds).as_secs_f64() * US_PER_SECOND
}

const US_PER_SECOND: f64 = 1e6;

fn read() -> Result<HostMemory, Error> {
  system::read()
}

#[cfg(test)]
mod tests {
  #[test]
  fn the_numbers_of_this_machine_agree_with_each_other() {
    let memory = super::read().unwrap();
    assert!(memory.process_rss_bytes > 1 << 20);
    assert!(memory.process_peak_bytes >= memory.process_rss_bytes);
    assert!(memory.available_bytes > 0);
    assert!(memory.total_bytes >= memory.available_bytes);
  }

  #[test]
  fn a_thread_has_its_own_processor_time() {
    let began = super::thread_cpu_us();
    let mut sum = 0_u64;
    while super::thread_cpu_us() - began < 1000.0 {
      sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
    }
    let other = std::thread::spawn(super::thread_cpu_us).join().unwrap();
    assert!(other < super::thread_cpu_us());
  }
}
