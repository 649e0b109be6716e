//! Matrices packed by MLX: `<module>.weight` holds the codes, `<module>.scales` and `.biases` lie beside it.

use super::host_tensor::HostTensor;
use super::region::Region;
use super::store::Store;
use super::stored_tensor::StoredTensor;
use super::weight_source::{TensorSlice, WeightQuantization};
use super::{dense, words};
use crate::error::Error;

const AFFINE_BITS: [u32; 6] = [2, 3, 4, 5, 6, 8];
const AFFINE_GROUPS: [u32; 3] = [32, 64, 128];
const MXFP4_BITS: u32 = 4;
const MXFP4_GROUP: u32 = 32;
const WORD_BITS: usize = 32;

pub fn read(
  store: &Store,
  slice: &TensorSlice,
  quantization: Option<&WeightQuantization>,
) -> Result<HostTensor, Error> {
  let weight = store.find(&slice.name)?;
  let Some(quantization) = quantization else {
    return Err(store.refused(weight, "but the configuration does not say how it is quantized"));
  };
  let mxfp4 = is_mxfp4(weight, quantization)?;
  let module = slice.name.strip_suffix(".weight").unwrap_or(&slice.name);
  let scales = store.find(&format!("{module}.scales"))?;
  let (bits, group) = (quantization.bits as usize, quantization.group_size as usize);
  let (rows, columns) = shape(weight, scales, bits, group)?;
  let region = Region::of(slice, rows, columns)?;
  if !region.columns.start.is_multiple_of(group) || !region.columns.end.is_multiple_of(group) {
    return Err(Error::argument(format!(
      "tensor {}: columns {}..{} do not fall on groups of {group}",
      slice.name, region.columns.start, region.columns.end
    )));
  }
  let per_group = Region {
    rows: region.rows.clone(),
    columns: region.columns.start / group..region.columns.end / group,
  };
  let in_words = |columns: usize| columns * bits / WORD_BITS;
  let packed = Region {
    rows: region.rows.clone(),
    columns: in_words(region.columns.start)..in_words(region.columns.end),
  };
  let mut codes = Vec::with_capacity(packed.rows.len() * packed.columns.len());
  store.rows(weight, &packed, |bytes| codes.extend(words::of_bytes(bytes)))?;
  let (rows, columns) = (region.rows.len(), region.columns.len());
  if mxfp4 {
    if scales.element.name != "U8" {
      return Err(store.refused(scales, "where mxfp4 scales (U8) are expected"));
    }
    let mut exponents = Vec::with_capacity(rows * per_group.columns.len());
    store.rows(scales, &per_group, |bytes| exponents.extend_from_slice(bytes))?;
    return Ok(HostTensor::Mxfp4 {
      words: codes,
      scales: exponents,
      rows,
      columns,
    });
  }
  let biases = store.find(&format!("{module}.biases"))?;
  if biases.matrix() != scales.matrix() || biases.element != scales.element {
    return Err(Error::model(format!(
      "tensor {} ({} {:?}) does not fit {} ({} {:?})",
      biases.name, biases.element.name, biases.shape, scales.name, scales.element.name, scales.shape
    )));
  }
  let (scales, scale_elements) = dense::read_bytes(store, scales, &per_group)?;
  let (biases, _) = dense::read_bytes(store, biases, &per_group)?;
  let (bits, group) = (quantization.bits, group);
  Ok(HostTensor::Affine {
    words: codes,
    scales,
    biases,
    scale_elements,
    rows,
    columns,
    bits,
    group,
  })
}

fn is_mxfp4(weight: &StoredTensor, quantization: &WeightQuantization) -> Result<bool, Error> {
  let WeightQuantization { bits, group_size, mode } = quantization;
  let known = match mode.as_str() {
    "affine" => AFFINE_BITS.contains(bits) && AFFINE_GROUPS.contains(group_size),
    "mxfp4" => *bits == MXFP4_BITS && *group_size == MXFP4_GROUP,
    _ => false,
  };
  if known {
    return Ok(mode == "mxfp4");
  }
  Err(Error::model(format!(
    "tensor {}: quantization {mode} with {bits} bits in groups of {group_size} is not supported (affine: 2, 3, 4, 5, 6 \
     or 8 bits in 32, 64 or 128; mxfp4: 4 bits in 32)",
    weight.name
  )))
}

/// Rows and columns in elements, where codes and scales agree on them.
fn shape(weight: &StoredTensor, scales: &StoredTensor, bits: usize, group: usize) -> Result<(usize, usize), Error> {
  let (rows, row_words) = weight.matrix();
  let (scale_rows, groups) = scales.matrix();
  let columns = row_words * WORD_BITS / bits;
  if !(row_words * WORD_BITS).is_multiple_of(bits) || rows != scale_rows || columns != groups * group {
    return Err(Error::model(format!(
      "tensor {} {:?} at {bits} bits does not fit {} {:?} in groups of {group}",
      weight.name, weight.shape, scales.name, scales.shape
    )));
  }
  Ok((rows, columns))
}
