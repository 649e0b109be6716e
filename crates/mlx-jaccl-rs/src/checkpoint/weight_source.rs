//! What a caller asks of a checkpoint: pieces of tensors by name. Plain data that crosses from TypeScript.

use napi_derive::napi;

/// A piece of a tensor; -1 as an end means all. Columns are elements, also of packed tensors.
#[napi(object)]
#[derive(Clone, Debug)]
pub struct TensorSlice {
  pub name: String,
  pub row_start: i64,
  pub row_end: i64,
  pub column_start: i64,
  pub column_end: i64,
}

/// mode: "affine" or "mxfp4".
#[napi(object)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightQuantization {
  pub bits: u32,
  pub group_size: u32,
  pub mode: String,
}

#[napi(object)]
#[derive(Clone, Debug)]
pub struct WeightSource {
  /// Joined along the rows (the output axis).
  pub parts: Vec<TensorSlice>,
  /// "matrix" (for `OP_LINEAR`, `OP_EMBED`) or "vector" (norms, biases: f32).
  pub kind: String,
  /// How an MLX-quantized safetensors matrix is packed; absent for dense and GGUF tensors.
  pub quantization: Option<WeightQuantization>,
}

#[napi(object)]
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
  pub name: String,
  /// Of the file: "F32", "F16", "BF16", "U32", "U8", ... or a GGUF type (`Q4_1`, `Q8_0`, ...).
  pub dtype: String,
  pub shape: Vec<i64>,
  pub size_bytes: i64,
}
