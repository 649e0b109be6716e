//! Linux: /proc, and the memory limits of the control groups (v2, v1) this process is in.

use super::HostMemory;
use crate::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const CGROUPS: &str = "/sys/fs/cgroup";
/// A v1 group without a limit says a number near 2^63.
const NO_LIMIT: i64 = 1 << 60;

pub fn read() -> Result<HostMemory, Error> {
  let machine = text("/proc/meminfo")?;
  let process = text("/proc/self/status")?;
  let mut total = kib(&machine, "MemTotal:")?;
  let mut available = kib(&machine, "MemAvailable:")?;
  let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
  for limit in groups.lines().flat_map(|line| limits(line, Path::new(CGROUPS))) {
    total = total.min(limit.bytes);
    available = available.min((limit.bytes - limit.used).max(0));
  }
  let process_rss_bytes = kib(&process, "VmRSS:")?;
  let process_peak_bytes = kib(&process, "VmHWM:")?.max(process_rss_bytes);
  Ok(HostMemory {
    total_bytes: total,
    available_bytes: available,
    process_rss_bytes,
    process_peak_bytes,
  })
}

pub fn trim() {
  #[cfg(target_env = "gnu")]
  // SAFETY: takes the allocator's own locks; may be called at any time from any thread.
  unsafe {
    libc::malloc_trim(0);
  }
}

fn text(path: &str) -> Result<String, Error> {
  fs::read_to_string(path).map_err(|source| Error::file(Path::new(path), source))
}

/// The bytes of a line like `MemTotal:  16384 kB`.
fn kib(text: &str, key: &str) -> Result<i64, Error> {
  let line = text.lines().find_map(|line| line.strip_prefix(key));
  let number = line
    .and_then(|rest| rest.split_whitespace().next())
    .and_then(|word| word.parse::<i64>().ok());
  number
    .map(|kib| kib * 1024)
    .ok_or_else(|| Error::Native(format!("the system does not report {key}")))
}

#[derive(Debug, PartialEq, Eq)]
struct Limit {
  bytes: i64,
  /// Without file pages that can be dropped.
  used: i64,
}

/// The limits of the group of a line `hierarchy:controllers:path`, and of the groups above it.
fn limits(line: &str, root: &Path) -> Vec<Limit> {
  let mut fields = line.splitn(3, ':');
  let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
    return Vec::new();
  };
  let (root, names): (PathBuf, _) = if controllers.is_empty() {
    (root.to_path_buf(), ["memory.max", "memory.current", "inactive_file"])
  } else if controllers.split(',').any(|name| name == "memory") {
    (
      root.join("memory"),
      ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"],
    )
  } else {
    return Vec::new();
  };
  let group = root.join(path.trim_start_matches('/'));
  // In a container the path may be that of the host: then only the root is there.
  group
    .ancestors()
    .take_while(|folder| folder.starts_with(&root))
    .filter_map(|folder| limit(folder, names))
    .collect()
}

fn limit(folder: &Path, [max, current, droppable]: [&str; 3]) -> Option<Limit> {
  let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<i64>().ok();
  let bytes = number(max).filter(|bytes| *bytes < NO_LIMIT)?;
  let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
  let cached = statistics
    .lines()
    .find_map(|line| line.strip_prefix(droppable)?.trim().parse::<i64>().ok());
  Some(Limit {
    bytes,
    used: (number(current)? - cached.unwrap_or(0)).max(0),
  })
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn limits_of_a_group_and_the_groups_above_count() {
    let root = std::env::temp_dir().join(format!("mlx-jaccl-cgroup-{}", std::process::id()));
    let inner = root.join("outer/inner");
    fs::create_dir_all(&inner).unwrap();
    let write = |folder: &Path, max: &str, current: &str| {
      fs::write(folder.join("memory.max"), max).unwrap();
      fs::write(folder.join("memory.current"), current).unwrap();
      fs::write(folder.join("memory.stat"), "anon 5\ninactive_file 10\n").unwrap();
    };
    write(&inner, "max\n", "50\n");
    write(&root.join("outer"), "1000\n", "60\n");
    assert_eq!(limits("0::/outer/inner", &root), [Limit { bytes: 1000, used: 50 }]);
    assert_eq!(limits("3:cpu:/outer/inner", &root), []);
    assert_eq!(limits("0::/elsewhere", &root), []);
    fs::remove_dir_all(&root).unwrap();
  }
}
