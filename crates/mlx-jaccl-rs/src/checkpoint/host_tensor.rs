//! A weight in host memory as the engine takes it: row-major, little-endian, packed as MLX packs. Knows no file.

/// Type of the elements of a dense matrix, or of the scales of a packed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
  F32,
  F16,
  BF16,
}

impl Elements {
  pub fn size_bytes(self) -> usize {
    match self {
      Self::F32 => 4,
      Self::F16 | Self::BF16 => 2,
    }
  }
}

/// `rows` is the output axis, `columns` the input axis, both in elements, also of packed tensors.
#[derive(Clone, Debug, PartialEq)]
pub enum HostTensor {
  /// `rows * columns` elements.
  Dense {
    data: Vec<u8>,
    elements: Elements,
    rows: usize,
    columns: usize,
  },
  /// `w = scale * code + bias` for each group of `group` columns. `words` is [rows, columns * bits / 32]: the codes of a
  /// row one after the other from the lowest bit. Scales and biases are [rows, columns / group].
  Affine {
    words: Vec<u32>,
    scales: Vec<u8>,
    biases: Vec<u8>,
    scale_elements: Elements,
    rows: usize,
    columns: usize,
    bits: u32,
    group: usize,
  },
  /// OCP microscaling: e2m1 codes, eight a word, and one e8m0 scale for 32 columns.
  Mxfp4 {
    words: Vec<u32>,
    scales: Vec<u8>,
    rows: usize,
    columns: usize,
  },
  /// Norms, biases, tables: always f32.
  Vector { values: Vec<f32> },
}

impl HostTensor {
  pub fn size_bytes(&self) -> usize {
    match self {
      Self::Dense { data, .. } => data.len(),
      Self::Affine {
        words, scales, biases, ..
      } => words.len() * 4 + scales.len() + biases.len(),
      Self::Mxfp4 { words, scales, .. } => words.len() * 4 + scales.len(),
      Self::Vector { values } => values.len() * 4,
    }
  }
}
