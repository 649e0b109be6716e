//! Facts of this machine and process. Knows nothing of MLX or of models.

use crate::error::Error;
use napi_derive::napi;

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
}
