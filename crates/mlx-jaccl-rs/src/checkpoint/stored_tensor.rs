//! One tensor of a file: its type, shape and place, all checked. Seen as a matrix for reading.

use super::element_type::ElementType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTensor {
  pub name: String,
  pub element: ElementType,
  /// Slowest axis first, also for GGUF (whose files write it last).
  pub shape: Vec<usize>,
  /// Which of the checkpoint's files.
  pub file: usize,
  /// From the start of the file.
  pub offset: u64,
  pub size_bytes: u64,
}

impl StoredTensor {
  /// Rows and columns: all axes but the last are one, and a vector is a column.
  pub fn matrix(&self) -> (usize, usize) {
    match self.shape.as_slice() {
      [] => (1, 1),
      [length] => (*length, 1),
      [outer @ .., last] => (outer.iter().product(), *last),
    }
  }
}

const MAX_AXES: usize = 8;
/// Far above any real axis: keeps products with another factor of this crate inside 64 bits, also of empty tensors.
const MAX_AXIS: u64 = 1 << 40;

/// A shape as it is used here, or None when it is out of all proportion.
pub fn checked_shape(shape: &[u64]) -> Option<Vec<usize>> {
  if shape.len() > MAX_AXES {
    return None;
  }
  shape
    .iter()
    .map(|axis| usize::try_from(*axis).ok().filter(|_| *axis <= MAX_AXIS))
    .collect()
}

/// The first tensor that shares bytes with the one before it. Zero-sized tensors share nothing.
pub fn first_overlap(tensors: &[StoredTensor]) -> Option<(&str, &str)> {
  let mut by_place: Vec<&StoredTensor> = tensors.iter().filter(|tensor| tensor.size_bytes > 0).collect();
  by_place.sort_by_key(|tensor| (tensor.file, tensor.offset));
  by_place
    .windows(2)
    .find(|pair| pair[0].file == pair[1].file && pair[0].offset + pair[0].size_bytes > pair[1].offset)
    .map(|pair| (pair[0].name.as_str(), pair[1].name.as_str()))
}
