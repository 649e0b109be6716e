//! Tensors of plain floats: matrices as they are, vectors widened to f32.

use super::host_tensor::{Elements, HostTensor};
use super::region::Region;
use super::store::Store;
use super::stored_tensor::StoredTensor;
use crate::error::Error;
use half::{bf16, f16};

pub fn elements(tensor: &StoredTensor) -> Option<Elements> {
  match tensor.element.name {
    "F32" => Some(Elements::F32),
    "F16" => Some(Elements::F16),
    "BF16" => Some(Elements::BF16),
    _ => None,
  }
}

/// The bytes of the region, and the type of its floats.
pub fn read_bytes(store: &Store, tensor: &StoredTensor, region: &Region) -> Result<(Vec<u8>, Elements), Error> {
  let elements =
    elements(tensor).ok_or_else(|| store.refused(tensor, "where floats (F32, F16 or BF16) are expected"))?;
  let mut data = Vec::with_capacity(region.rows.len() * region.columns.len() * elements.size_bytes());
  store.rows(tensor, region, |bytes| data.extend_from_slice(bytes))?;
  Ok((data, elements))
}

pub fn read_matrix(store: &Store, tensor: &StoredTensor, region: &Region) -> Result<HostTensor, Error> {
  let (data, elements) = read_bytes(store, tensor, region)?;
  Ok(HostTensor::Dense {
    data,
    elements,
    rows: region.rows.len(),
    columns: region.columns.len(),
  })
}

pub fn read_vector(store: &Store, tensor: &StoredTensor, region: &Region) -> Result<HostTensor, Error> {
  let (data, elements) = read_bytes(store, tensor, region)?;
  Ok(HostTensor::Vector {
    values: floats(&data, elements).collect(),
  })
}

/// The values of little-endian floats.
pub fn floats(data: &[u8], elements: Elements) -> Box<dyn Iterator<Item = f32> + '_> {
  match elements {
    Elements::F32 => Box::new(
      data
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
    ),
    Elements::F16 => Box::new(
      data
        .chunks_exact(2)
        .map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()),
    ),
    Elements::BF16 => Box::new(
      data
        .chunks_exact(2)
        .map(|bytes| bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32()),
    ),
  }
}

/// The same values as f32.
pub fn widen(data: &[u8], elements: Elements) -> Vec<u8> {
  floats(data, elements).flat_map(f32::to_le_bytes).collect()
}
