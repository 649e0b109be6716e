//! Builds the addon's glue and, where MLX's headers are found, the C++ shim, which is put beside the addon.

#[path = "platform.rs"]
mod platform;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
  napi_build::setup();
  for watched in ["shim", "platform.rs"] {
    println!("cargo:rerun-if-changed={watched}");
  }
  println!("cargo:rerun-if-env-changed=MLX_DIR");
  let crate_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
  let mlx = env::var_os("MLX_DIR").map_or_else(|| crate_dir.join("../../vendor/mlx-cpu"), PathBuf::from);
  let headers = mlx.join("mlx/include");
  if !headers.join("mlx/version.h").exists() {
    println!(
      "cargo:warning=no MLX headers in {}: the shim is not built (set MLX_DIR or run the set-up)",
      mlx.display()
    );
    return;
  }
  build_shim(&crate_dir, &mlx, &headers);
  // Only MLX for macOS 26.2 and newer brings JACCL; its transport is a library of its own, so that the shim loads
  // without. Elsewhere tests build it over fake verbs.
  if headers.join("jaccl/jaccl.h").exists() {
    build_jaccl(&crate_dir, &mlx, &headers);
  }
}

fn variable(name: &str) -> String {
  env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn build_shim(crate_dir: &Path, mlx: &Path, headers: &Path) {
  let (os, arch) = (variable("CARGO_CFG_TARGET_OS"), variable("CARGO_CFG_TARGET_ARCH"));
  let mut plain = compiler();
  plain.flag("-isystem").flag(headers);
  let mut objects = Vec::new();
  for source in sources(&crate_dir.join("shim")) {
    let stem = source
      .file_stem()
      .map(|s| s.to_string_lossy().into_owned())
      .unwrap_or_default();
    if !platform::has_kernels(&stem, &arch) {
      continue;
    }
    let flags = platform::kernel_flags(&stem);
    if flags.is_empty() {
      plain.file(&source);
      continue;
    }
    // Kernels of one instruction set stand alone: an inline function of a C++ header that was compiled with their
    // flags could be the copy that the linker keeps for every processor.
    let mut kernels = compiler();
    for flag in flags.iter().chain(&["-fno-exceptions", "-fno-rtti"]) {
      kernels.flag(flag);
    }
    objects.extend(kernels.file(&source).compile_intermediates());
  }
  objects.extend(plain.compile_intermediates());

  link(crate_dir, mlx, &objects, platform::shim_file_name(&os), &["-lmlx"]);
}

fn build_jaccl(crate_dir: &Path, mlx: &Path, headers: &Path) {
  let mut build = compiler();
  build.flag("-isystem").flag(headers);
  build.files(sources(&crate_dir.join("shim/jaccl")));
  let objects = build.compile_intermediates();
  link(crate_dir, mlx, &objects, platform::JACCL_FILE_NAME, &["-ljaccl"]);
}

/// Links a library and puts it beside the addon.
fn link(crate_dir: &Path, mlx: &Path, objects: &[PathBuf], name: &str, libraries: &[&str]) {
  let os = variable("CARGO_CFG_TARGET_OS");
  let built = PathBuf::from(variable("OUT_DIR")).join(name);
  let status = Command::new(compiler().get_compiler().path())
    .args(platform::link_flags(&os))
    .arg("-o")
    .arg(&built)
    .args(objects)
    .arg("-L")
    .arg(mlx.join("mlx/lib"))
    .args(libraries)
    .status()
    .expect("the C++ compiler starts");
  assert!(status.success(), "{name} does not link");
  // Replaced by a rename: a process that has the old one open keeps it whole.
  let beside = crate_dir.join(format!(".{name}.new"));
  std::fs::copy(&built, &beside).expect("the library is copied beside the addon");
  std::fs::rename(&beside, crate_dir.join(name)).expect("the library is put beside the addon");
}

fn compiler() -> cc::Build {
  let mut build = cc::Build::new();
  build
    .cpp(true)
    .std("c++20")
    .opt_level(3)
    .pic(true)
    .warnings(true)
    .extra_warnings(true);
  // Results must be equal to the bit whichever path computes a row: no fused multiply-add the source does not name.
  build
    .cargo_metadata(false)
    .flag("-fvisibility=hidden")
    .flag("-ffp-contract=off");
  build
}

/// All C++ files under a folder but its tests and the library of JACCL, in a fixed order.
fn sources(folder: &Path) -> Vec<PathBuf> {
  let mut found = Vec::new();
  for entry in std::fs::read_dir(folder).expect("the folder of the shim is readable") {
    let path = entry.expect("the folder of the shim is readable").path();
    let name = path
      .file_name()
      .map(|n| n.to_string_lossy().into_owned())
      .unwrap_or_default();
    if path.is_dir() && name != "test" && name != "jaccl" {
      found.extend(sources(&path));
    } else if path.extension().is_some_and(|e| e == "cc") && !name.ends_with(".test.cc") {
      found.push(path);
    }
  }
  found.sort();
  found
}
