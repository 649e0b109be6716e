//! ggml's 32-element blocks as MLX's packed matrices, without loss. Block layouts: ggml's `ggml-common.h`.
//!
//! `Q4_0` w = d (q - 8), `Q4_1` w = d q + m, `Q8_0` w = d q with signed q: affine with groups of 32. `MXFP4`: the same
//! codes and exponents as OCP's, in ggml's order.

use super::host_tensor::{Elements, HostTensor};
use super::region::Region;
use super::store::Store;
use super::stored_tensor::StoredTensor;
use super::words;
use crate::error::Error;
use half::f16;

const GROUP: usize = 32;
/// Codes of four bits in a block: byte j holds element j below and element j + 16 above.
const NIBBLE_BYTES: usize = GROUP / 2;

pub fn read(store: &Store, tensor: &StoredTensor, region: &Region) -> Result<HostTensor, Error> {
  let (rows, columns) = (region.rows.len(), region.columns.len());
  let groups = rows * columns / GROUP;
  let block_bytes = tensor.element.bytes;
  let mut affine = Affine {
    words: Vec::new(),
    scales: Vec::with_capacity(groups),
    biases: Vec::with_capacity(groups),
  };
  let mut exponents = Vec::new();
  let each_block = |sink: &mut dyn FnMut(&[u8])| {
    store.rows(tensor, region, |bytes| {
      for block in bytes.chunks_exact(block_bytes) {
        sink(block);
      }
    })
  };
  match tensor.element.name {
    "Q4_0" => each_block(&mut |block| {
      let scale = float(block);
      affine.push(scale, -8.0 * scale, nibbles(&block[2..]));
    })?,
    "Q4_1" => each_block(&mut |block| affine.push(float(block), float(&block[2..]), nibbles(&block[4..])))?,
    "Q8_0" => each_block(&mut |block| {
      let scale = float(block);
      // q + 128 as an unsigned byte is q with its sign bit turned.
      affine.push(
        scale,
        -128.0 * scale,
        words::of_bytes(&block[2..]).map(|word| word ^ 0x8080_8080),
      );
    })?,
    "MXFP4" => {
      each_block(&mut |block| {
        exponents.push(block[0]);
        affine.words.extend(nibbles(&block[1..]));
      })?;
      return Ok(HostTensor::Mxfp4 {
        words: affine.words,
        scales: exponents,
        rows,
        columns,
      });
    }
    _ => {
      return Err(store.refused(
        tensor,
        "which is not supported (F32, F16, BF16; in GGUF also Q4_0, Q4_1, Q8_0 and MXFP4)",
      ));
    }
  }
  let bits = if tensor.element.name == "Q8_0" { 8 } else { 4 };
  let (scales, biases, scale_elements) = narrow(&affine.scales, &affine.biases);
  Ok(HostTensor::Affine {
    words: affine.words,
    scales,
    biases,
    scale_elements,
    rows,
    columns,
    bits,
    group: GROUP,
  })
}

struct Affine {
  words: Vec<u32>,
  scales: Vec<f32>,
  biases: Vec<f32>,
}

impl Affine {
  fn push(&mut self, scale: f32, bias: f32, words: impl Iterator<Item = u32>) {
    self.scales.push(scale);
    self.biases.push(bias);
    self.words.extend(words);
  }
}

fn float(block: &[u8]) -> f32 {
  f16::from_le_bytes([block[0], block[1]]).to_f32()
}

/// Four words of eight codes in order of the elements.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u32> {
  let codes: [u8; NIBBLE_BYTES] = std::array::from_fn(|index| bytes[index]);
  // Low nibbles hold elements 0..16, high ones 16..32.
  [(0, 0), (0, 8), (4, 0), (4, 8)].into_iter().map(move |(shift, first)| {
    (0..8).fold(0, |word, index| {
      word | (u32::from((codes[first + index] >> shift) & 0xf) << (4 * index))
    })
  })
}

/// Scales and biases as f16 where that keeps every bit; else (a bias beyond f16) both as f32.
fn narrow(scales: &[f32], biases: &[f32]) -> (Vec<u8>, Vec<u8>, Elements) {
  let fits = |value: &f32| value.is_nan() || f16::from_f32(*value).to_f32().to_bits() == value.to_bits();
  let f16_bytes = |values: &[f32]| {
    values
      .iter()
      .flat_map(|value| f16::from_f32(*value).to_le_bytes())
      .collect()
  };
  let f32_bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
  if biases.iter().all(fits) {
    (f16_bytes(scales), f16_bytes(biases), Elements::F16)
  } else {
    (f32_bytes(scales), f32_bytes(biases), Elements::F32)
  }
}
