//! The bytes of a rectangle of a tensor, and nothing else of the file. Knows types only as blocks of bytes.

use super::data_file::DataFile;
use super::stored_tensor::StoredTensor;
use super::weight_source::TensorSlice;
use crate::error::Error;
use std::ops::Range;

/// Whole rows are read in pieces of about this size, so that a conversion never holds a tensor twice.
const BAND_BYTES: usize = 8 << 20;

/// Rows and columns of a tensor's matrix, inside its bounds. Columns are in elements of the file's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
  pub rows: Range<usize>,
  pub columns: Range<usize>,
}

impl Region {
  /// The region that `slice` names in a matrix of `rows` x `columns`.
  pub fn of(slice: &TensorSlice, rows: usize, columns: usize) -> Result<Self, Error> {
    let range = |start: i64, end: i64, size: usize, axis: &str| {
      let end = if end == -1 {
        Some(size)
      } else {
        usize::try_from(end).ok()
      };
      match (usize::try_from(start).ok(), end) {
        (Some(start), Some(end)) if start < end && end <= size => Ok(start..end),
        _ => Err(Error::argument(format!(
          "tensor {}: {axis} {}..{} is no part of its {size} {axis}",
          slice.name,
          start,
          end.map_or_else(|| "?".to_owned(), |end| end.to_string())
        ))),
      }
    };
    Ok(Self {
      rows: range(slice.row_start, slice.row_end, rows, "rows")?,
      columns: range(slice.column_start, slice.column_end, columns, "columns")?,
    })
  }
}

/// Hands the bytes of `region` to `sink` in order, always whole rows of the region.
pub fn read_rows(
  data: &DataFile,
  tensor: &StoredTensor,
  region: &Region,
  mut sink: impl FnMut(&[u8]),
) -> Result<(), Error> {
  let (_, columns) = tensor.matrix();
  let element = tensor.element;
  let in_bytes = |columns: usize| columns / element.block * element.bytes;
  if !region.columns.start.is_multiple_of(element.block) || !region.columns.end.is_multiple_of(element.block) {
    return Err(Error::argument(format!(
      "tensor {}: columns {}..{} do not fall on blocks of {} ({})",
      tensor.name, region.columns.start, region.columns.end, element.block, element.name
    )));
  }
  let stride = in_bytes(columns);
  let first = in_bytes(region.columns.start);
  let width = in_bytes(region.columns.end) - first;
  let band = (BAND_BYTES / width.max(1)).clamp(1, region.rows.len().max(1));
  let mut buffer = vec![0; band * width];
  let mut row = region.rows.start;
  while row < region.rows.end {
    let rows = band.min(region.rows.end - row);
    let bytes = &mut buffer[..rows * width];
    if width == stride {
      data.read(tensor.offset + (row * stride) as u64, bytes)?;
    } else {
      for (index, into) in bytes.chunks_exact_mut(width).enumerate() {
        data.read(tensor.offset + ((row + index) * stride + first) as u64, into)?;
      }
    }
    sink(bytes);
    row += rows;
  }
  Ok(())
}
