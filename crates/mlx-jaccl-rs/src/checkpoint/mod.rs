//! The weight files of a model. Everything a file says about itself is checked against its real size on opening.

mod affine;
mod data_file;
mod dense;
mod element_type;
mod folder;
mod ggml_blocks;
mod gguf;
mod host_tensor;
mod join;
mod region;
mod safetensors;
#[cfg(test)]
mod safetensors_tests;
mod store;
mod stored_tensor;
#[cfg(test)]
pub(crate) mod test_files;
mod weight_source;
mod words;

pub use gguf::{Metadata, Value};
pub use host_tensor::{Elements, HostTensor};
pub use store::{Format, Store};
pub use weight_source::{TensorInfo, TensorSlice, WeightQuantization, WeightSource};

use crate::error::Error;
use napi::bindgen_prelude::Float32Array;
use napi_derive::napi;
use std::path::Path;

/// Of `read_vector`: its values cross into JavaScript.
const MAX_VECTOR_BYTES: u64 = 1 << 20;

/// The weight files of a model: a folder of safetensors, or one GGUF file. Sizes and offsets are checked on opening.
#[napi]
pub struct Checkpoint {
  store: Store,
}

#[napi]
impl Checkpoint {
  #[napi(constructor)]
  pub fn new(path: String) -> napi::Result<Self> {
    Ok(Self::open(Path::new(&path))?)
  }

  /// "safetensors" or "gguf".
  #[napi(getter)]
  pub fn format(&self) -> &'static str {
    match self.store.format() {
      Format::Safetensors => "safetensors",
      Format::Gguf => "gguf",
    }
  }

  #[napi]
  pub fn tensors(&self) -> Vec<TensorInfo> {
    let axis = |size: &usize| i64::try_from(*size).unwrap_or(i64::MAX);
    let info = |tensor: &stored_tensor::StoredTensor| TensorInfo {
      name: tensor.name.clone(),
      dtype: tensor.element.name.to_owned(),
      shape: tensor.shape.iter().map(axis).collect(),
      size_bytes: i64::try_from(tensor.size_bytes).unwrap_or(i64::MAX),
    };
    self.store.tensors().iter().map(info).collect()
  }

  /// GGUF key-values as JSON, without the token lists; "{}" for safetensors.
  #[napi]
  pub fn metadata_json(&self) -> String {
    self.store.metadata().json()
  }

  /// A small dense tensor (F32, F16 or BF16, at most 1 MiB) as f32: frequency factors of rope.
  #[napi]
  pub fn read_vector(&self, name: String) -> napi::Result<Float32Array> {
    Ok(Float32Array::new(self.small_vector(&name)?))
  }
}

impl Checkpoint {
  pub fn open(path: &Path) -> Result<Self, Error> {
    Ok(Self {
      store: Store::open(path)?,
    })
  }

  /// GGUF key-values, with the token lists; empty for safetensors.
  pub fn metadata(&self) -> &Metadata {
    self.store.metadata()
  }

  fn small_vector(&self, name: &str) -> Result<Vec<f32>, Error> {
    let tensor = self.store.find(name)?;
    if tensor.size_bytes > MAX_VECTOR_BYTES {
      let size = tensor.size_bytes;
      return Err(Error::argument(format!(
        "tensor {name} has {size} bytes (limit {MAX_VECTOR_BYTES})"
      )));
    }
    let (row_end, column_end) = (-1, -1);
    let all = TensorSlice {
      name: name.to_owned(),
      row_start: 0,
      row_end,
      column_start: 0,
      column_end,
    };
    match self.read(&WeightSource {
      parts: vec![all],
      kind: "vector".to_owned(),
      quantization: None,
    })? {
      HostTensor::Vector { values } => Ok(values),
      _ => Err(Error::argument(format!("tensor {name} is no vector"))),
    }
  }

  /// Reads the asked pieces, and only those bytes, into host memory.
  pub fn read(&self, source: &WeightSource) -> Result<HostTensor, Error> {
    self.store.read(source)
  }
}
