//! Several matrices as one, along the rows (q, k and v; gate and up). Parts that differ are brought to the wider form
//! where that loses nothing.

use super::dense;
use super::host_tensor::{Elements, HostTensor};
use super::weight_source::TensorSlice;
use super::words;
use crate::error::Error;

/// `slices` name the parts for errors.
pub fn join_rows(parts: Vec<HostTensor>, slices: &[TensorSlice]) -> Result<HostTensor, Error> {
  let mut pairs = parts.into_iter().zip(slices);
  let Some((mut joined, first)) = pairs.next() else {
    return Err(Error::argument("a weight source names no tensor"));
  };
  for (part, slice) in pairs {
    joined = append(joined, part).ok_or_else(|| {
      Error::model(format!(
        "tensors {} and {} differ in width or format",
        first.name, slice.name
      ))
    })?;
  }
  Ok(joined)
}

fn append(above: HostTensor, below: HostTensor) -> Option<HostTensor> {
  match (above, below) {
    (HostTensor::Vector { mut values }, HostTensor::Vector { values: more }) => {
      values.extend(more);
      Some(HostTensor::Vector { values })
    }
    (
      HostTensor::Dense {
        data,
        elements,
        rows,
        columns,
      },
      HostTensor::Dense {
        data: more,
        elements: other,
        rows: more_rows,
        columns: width,
      },
    ) if columns == width => {
      let (data, elements) = concatenate(data, elements, more, other);
      Some(HostTensor::Dense {
        data,
        elements,
        rows: rows + more_rows,
        columns,
      })
    }
    (
      HostTensor::Mxfp4 {
        mut words,
        mut scales,
        rows,
        columns,
      },
      HostTensor::Mxfp4 {
        words: more,
        scales: more_scales,
        rows: more_rows,
        columns: width,
      },
    ) if columns == width => {
      words.extend(more);
      scales.extend(more_scales);
      Some(HostTensor::Mxfp4 {
        words,
        scales,
        rows: rows + more_rows,
        columns,
      })
    }
    (above, below) => append_affine(above, below),
  }
}

fn append_affine(above: HostTensor, below: HostTensor) -> Option<HostTensor> {
  let HostTensor::Affine {
    words: codes,
    scales,
    biases,
    scale_elements,
    rows,
    columns,
    bits,
    group,
  } = above
  else {
    return None;
  };
  let HostTensor::Affine {
    words: more,
    scales: more_scales,
    biases: more_biases,
    scale_elements: other,
    rows: more_rows,
    columns: width,
    bits: more_bits,
    group: other_group,
  } = below
  else {
    return None;
  };
  if columns != width || group != other_group {
    return None;
  }
  let wide = bits.max(more_bits);
  let at_width = |words: Vec<u32>, bits: u32| {
    if bits == wide {
      words
    } else {
      words::widen(&words, bits, wide)
    }
  };
  let mut words = at_width(codes, bits);
  words.extend(at_width(more, more_bits));
  let (scales, elements) = concatenate(scales, scale_elements, more_scales, other);
  let (biases, _) = concatenate(biases, scale_elements, more_biases, other);
  let rows = rows + more_rows;
  Some(HostTensor::Affine {
    words,
    scales,
    biases,
    scale_elements: elements,
    rows,
    columns,
    bits: wide,
    group,
  })
}

/// Floats one after the other; as f32 if their types differ.
fn concatenate(mut data: Vec<u8>, elements: Elements, more: Vec<u8>, other: Elements) -> (Vec<u8>, Elements) {
  if elements == other {
    data.extend(more);
    return (data, elements);
  }
  let mut wide = dense::widen(&data, elements);
  wide.extend(dense::widen(&more, other));
  (wide, Elements::F32)
}
