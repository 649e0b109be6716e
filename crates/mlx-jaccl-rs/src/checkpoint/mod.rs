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
use napi_derive::napi;
use std::path::Path;

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

  /// Reads the asked pieces, and only those bytes, into host memory.
  pub fn read(&self, source: &WeightSource) -> Result<HostTensor, Error> {
    self.store.read(source)
  }
}
