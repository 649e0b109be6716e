//! What differs between the targets the native half is built for: names and flags. Shared by build.rs and the crate.

/// File name of the shim, which lies beside the addon.
#[allow(dead_code, reason = "the crate only takes it in tests")]
pub fn shim_file_name(target_os: &str) -> &'static str {
  if target_os == "macos" {
    "libmlx_jaccl_shim.dylib"
  } else {
    "libmlx_jaccl_shim.so"
  }
}

/// File name of JACCL's transport, where MLX brings JACCL.
#[allow(dead_code, reason = "only build.rs builds it")]
pub const JACCL_FILE_NAME: &str = "libmlx_jaccl_verbs.dylib";

/// Flags of the linker. On Linux every symbol must be found now, and libmlx is met at run time by the SONAME of the
/// library that the addon has opened before. dyld matches install names instead, so there the shim also carries the
/// places beside which MLX may lie.
#[allow(dead_code, reason = "only build.rs links")]
pub fn link_flags(target_os: &str) -> &'static [&'static str] {
  if target_os == "macos" {
    &[
      "-dynamiclib",
      "-Wl,-undefined,dynamic_lookup",
      "-Wl,-rpath,@loader_path",
      "-Wl,-rpath,@loader_path/../../vendor/mlx-metal/mlx/lib",
    ]
  } else {
    &["-shared", "-Wl,-z,defs", "-pthread"]
  }
}

/// Flags of the kernels of one instruction set, known by the name of their file.
#[allow(dead_code, reason = "only build.rs compiles")]
pub fn kernel_flags(file_stem: &str) -> &'static [&'static str] {
  match file_stem {
    "avx512" => &[
      "-mavx512f",
      "-mavx512bw",
      "-mavx512vl",
      "-mavx512dq",
      "-mavx512vnni",
      "-mfma",
      "-mf16c",
      "-mprefer-vector-width=512",
    ],
    "avx2" => &["-mavx2", "-mfma", "-mf16c"],
    _ => &[],
  }
}

/// Whether the kernels of a file can run on a target.
#[allow(dead_code, reason = "only build.rs compiles")]
pub fn has_kernels(file_stem: &str, target_arch: &str) -> bool {
  match file_stem {
    "avx512" | "avx2" => target_arch == "x86_64",
    "neon" => target_arch == "aarch64",
    _ => true,
  }
}
