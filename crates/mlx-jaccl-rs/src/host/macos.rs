//! macOS: sysctl for the machine, Mach for free pages, libproc and rusage for the process.

use super::HostMemory;
use crate::error::Error;
use std::ffi::CStr;
use std::mem::{MaybeUninit, size_of};

/// Its allocator gives pages back by itself.
pub fn trim() {}

pub fn read() -> Result<HostMemory, Error> {
  let process_rss_bytes = resident()?;
  Ok(HostMemory {
    total_bytes: sysctl(c"hw.memsize")?,
    available_bytes: available()?,
    process_rss_bytes,
    process_peak_bytes: peak()?.max(process_rss_bytes),
  })
}

fn refused(what: &str) -> Error {
  Error::Native(format!("{what}: {}", std::io::Error::last_os_error()))
}

fn signed(bytes: u64) -> i64 {
  i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn sysctl(name: &CStr) -> Result<i64, Error> {
  let mut value = 0_u64;
  let mut length = size_of::<u64>();
  let into = std::ptr::from_mut(&mut value).cast();
  // SAFETY: `into` is room for `length` bytes, the name ends with a zero, and nothing is set.
  let result = unsafe { libc::sysctlbyname(name.as_ptr(), into, &raw mut length, std::ptr::null_mut(), 0) };
  if result == 0 {
    Ok(signed(value))
  } else {
    Err(refused("sysctl"))
  }
}

/// Pages that are free or can be had without swapping.
fn available() -> Result<i64, Error> {
  let mut pages = MaybeUninit::<libc::vm_statistics64>::zeroed();
  let mut count = libc::HOST_VM_INFO64_COUNT;
  #[expect(deprecated, reason = "libc points to another crate for Mach; this is the only call")]
  // SAFETY: takes nothing and returns a port of this process.
  let host = unsafe { libc::mach_host_self() };
  // SAFETY: `pages` is room for `count` integers, which the call fills.
  let result =
    unsafe { libc::host_statistics64(host, libc::HOST_VM_INFO64, pages.as_mut_ptr().cast(), &raw mut count) };
  if result != libc::KERN_SUCCESS {
    return Err(refused("host_statistics64"));
  }
  // SAFETY: zeroed, and filled by the call that succeeded: every bit pattern is a valid value.
  let pages = unsafe { pages.assume_init() };
  let page_bytes = u64::try_from(sysctl(c"hw.pagesize")?).unwrap_or(0);
  let free = u64::from(pages.free_count) + u64::from(pages.inactive_count) + u64::from(pages.purgeable_count);
  Ok(signed(free * page_bytes))
}

fn resident() -> Result<i64, Error> {
  let mut facts = MaybeUninit::<libc::proc_taskinfo>::zeroed();
  let size = i32::try_from(size_of::<libc::proc_taskinfo>()).unwrap_or(i32::MAX);
  let own = i32::try_from(std::process::id()).unwrap_or(0);
  // SAFETY: `facts` is room for `size` bytes.
  let written = unsafe { libc::proc_pidinfo(own, libc::PROC_PIDTASKINFO, 0, facts.as_mut_ptr().cast(), size) };
  if written != size {
    return Err(refused("proc_pidinfo"));
  }
  // SAFETY: zeroed, and filled by the call that succeeded: every bit pattern is a valid value.
  Ok(signed(unsafe { facts.assume_init() }.pti_resident_size))
}

/// ru_maxrss is in bytes on macOS.
fn peak() -> Result<i64, Error> {
  let mut usage = MaybeUninit::<libc::rusage>::zeroed();
  // SAFETY: `usage` is room for one record.
  if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
    return Err(refused("getrusage"));
  }
  // SAFETY: zeroed, and filled by the call that succeeded: every bit pattern is a valid value.
  Ok(unsafe { usage.assume_init() }.ru_maxrss)
}
