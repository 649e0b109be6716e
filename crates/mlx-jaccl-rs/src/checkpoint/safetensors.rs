//! The header of one safetensors file: a length, JSON, then the data. Nothing it says is believed before it is checked
//! against the size of the file. Format: the safetensors project's README.

use super::data_file::DataFile;
use super::element_type::ElementType;
use super::stored_tensor::{StoredTensor, checked_shape, first_overlap};
use crate::error::Error;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// The safetensors project's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;
const LENGTH_BYTES: u64 = 8;

#[derive(Deserialize)]
struct Entry {
  dtype: String,
  shape: Vec<u64>,
  data_offsets: [u64; 2],
}

/// A list, not a map: a name that is written twice must be seen.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
  fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
      type Value = Header;
      fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of tensors")
      }
      fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
          if name == "__metadata__" {
            map.next_value::<IgnoredAny>()?;
          } else {
            entries.push((name, map.next_value()?));
          }
        }
        Ok(Header(entries))
      }
    }
    deserializer.deserialize_map(Entries)
  }
}

/// The tensors of `data`, whose number among the checkpoint's files is `file`.
pub fn read_header(data: &DataFile, file: usize) -> Result<Vec<StoredTensor>, Error> {
  if data.length() < LENGTH_BYTES {
    return Err(data.damaged("too short for a safetensors file"));
  }
  let mut length = [0; 8];
  data.read(0, &mut length)?;
  let header_bytes = u64::from_le_bytes(length);
  if header_bytes > MAX_HEADER_BYTES || header_bytes > data.length() - LENGTH_BYTES {
    return Err(data.damaged(format!(
      "the header claims {header_bytes} bytes, the file has {} (limit {MAX_HEADER_BYTES})",
      data.length()
    )));
  }
  let mut json = vec![0; usize::try_from(header_bytes).unwrap_or(0)];
  data.read(LENGTH_BYTES, &mut json)?;
  let Header(entries) =
    serde_json::from_slice(&json).map_err(|error| data.damaged(format!("the header is not valid: {error}")))?;
  let start = LENGTH_BYTES + header_bytes;
  let tensors = entries
    .into_iter()
    .map(|(name, entry)| place(data, file, start, name, entry))
    .collect::<Result<Vec<_>, _>>()?;
  if let Some((one, other)) = first_overlap(&tensors) {
    return Err(data.damaged(format!("tensors {one} and {other} share bytes")));
  }
  Ok(tensors)
}

fn place(data: &DataFile, file: usize, start: u64, name: String, entry: Entry) -> Result<StoredTensor, Error> {
  let wrong = |what: String| data.damaged(format!("tensor {name} {what}"));
  let [begin, end] = entry.data_offsets;
  let space = data.length() - start;
  if begin > end || end > space {
    return Err(wrong(format!(
      "lies at {begin}..{end}, but the file holds {space} bytes of data"
    )));
  }
  let element = ElementType::of_safetensors(&entry.dtype)
    .ok_or_else(|| wrong(format!("has the unknown type {}", entry.dtype.escape_debug())))?;
  let shape = checked_shape(&entry.shape).ok_or_else(|| wrong(format!("cannot have shape {:?}", entry.shape)))?;
  let elements = entry
    .shape
    .iter()
    .try_fold(1_u64, |product, axis| product.checked_mul(*axis));
  let size_bytes = elements.and_then(|elements| element.size_bytes(elements, elements));
  if size_bytes != Some(end - begin) {
    return Err(wrong(format!(
      "of shape {:?} and type {} does not fill its {} bytes",
      entry.shape,
      element.name,
      end - begin
    )));
  }
  Ok(StoredTensor {
    name,
    element,
    shape,
    file,
    offset: start + begin,
    size_bytes: end - begin,
  })
}
