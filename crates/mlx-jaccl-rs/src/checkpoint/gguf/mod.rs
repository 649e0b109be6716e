//! The header of a GGUF file, versions 2 and 3: key-values and the list of tensors, all checked against the size of the
//! file. Format: ggml's docs/gguf.md.

mod byte_reader;
#[cfg(test)]
mod tests;
mod value;

pub use value::Value;

use super::data_file::DataFile;
use super::element_type::ElementType;
use super::stored_tensor::{StoredTensor, checked_shape, first_overlap};
use crate::error::Error;
use byte_reader::ByteReader;
use std::collections::{BTreeMap, HashSet};

const MAGIC: u32 = u32::from_le_bytes(*b"GGUF");
const MAX_AXES: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;
/// Key length, type and one byte of value.
const LEAST_PAIR_BYTES: u64 = 13;
/// Name length, axes, type and offset.
const LEAST_TENSOR_BYTES: u64 = 24;
/// Long lists that only the tokenizer reads.
const TOKENIZER_LISTS: [&str; 5] = [
  "tokenizer.ggml.tokens",
  "tokenizer.ggml.merges",
  "tokenizer.ggml.scores",
  "tokenizer.ggml.token_type",
  "tokenizer.ggml.precompiled_charsmap",
];

/// Key-values of the header by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
  pub fn get(&self, key: &str) -> Option<&Value> {
    self.0.get(key)
  }

  pub fn text(&self, key: &str) -> Option<&str> {
    self.get(key).and_then(Value::text)
  }

  /// All but the long lists of the tokenizer.
  pub fn json(&self) -> String {
    let kept = self
      .0
      .iter()
      .filter(|(key, _)| !TOKENIZER_LISTS.contains(&key.as_str()));
    let object: serde_json::Map<_, _> = kept.map(|(key, value)| (key.clone(), value.json())).collect();
    serde_json::Value::Object(object).to_string()
  }
}

pub fn read_header(data: &DataFile) -> Result<(Metadata, Vec<StoredTensor>), Error> {
  let mut reader = ByteReader::new(data)?;
  if reader.u32()? != MAGIC {
    return Err(data.damaged("not a GGUF file"));
  }
  let version = reader.u32()?;
  if version.swap_bytes() == 2 || version.swap_bytes() == 3 {
    return Err(data.damaged("a big-endian GGUF file; only little-endian ones are read"));
  }
  if version != 2 && version != 3 {
    return Err(data.damaged(format!("GGUF version {version}; versions 2 and 3 are read")));
  }
  let tensor_count = reader.count(LEAST_TENSOR_BYTES, "tensors")?;
  let pair_count = reader.count(LEAST_PAIR_BYTES, "key-values")?;
  let metadata = read_pairs(&mut reader, pair_count)?;
  if metadata
    .get("split.count")
    .and_then(Value::unsigned)
    .is_some_and(|count| count > 1)
  {
    return Err(data.damaged("one part of a split GGUF model; join the parts with llama-gguf-split --merge first"));
  }
  let mut tensors = Vec::new();
  let mut names = HashSet::new();
  for _ in 0..tensor_count {
    let tensor = read_tensor(&mut reader)?;
    if !names.insert(tensor.name.clone()) {
      return Err(data.damaged(format!("tensor {} is listed twice", tensor.name.escape_debug())));
    }
    tensors.push(tensor);
  }
  let alignment = alignment(data, &metadata)?;
  let start = reader.position().next_multiple_of(alignment);
  for tensor in &mut tensors {
    if !tensor.offset.is_multiple_of(alignment) {
      return Err(data.damaged(format!(
        "tensor {} starts at {}, not aligned to {alignment}",
        tensor.name, tensor.offset
      )));
    }
    let place = start.checked_add(tensor.offset);
    let end = place.and_then(|place| place.checked_add(tensor.size_bytes));
    let (Some(place), Some(..)) = (place, end.filter(|end| *end <= data.length())) else {
      return Err(data.damaged(format!(
        "tensor {} lies behind the end of the file, which may be cut",
        tensor.name
      )));
    };
    tensor.offset = place;
  }
  if let Some((one, other)) = first_overlap(&tensors) {
    return Err(data.damaged(format!("tensors {one} and {other} share bytes")));
  }
  Ok((metadata, tensors))
}

fn read_pairs(reader: &mut ByteReader, count: usize) -> Result<Metadata, Error> {
  let mut pairs = BTreeMap::new();
  for _ in 0..count {
    let key = reader.string()?;
    let value = Value::read(reader, &key)?;
    if pairs.contains_key(&key) {
      return Err(reader.damaged(format!("key {} is written twice", key.escape_debug())));
    }
    pairs.insert(key, value);
  }
  Ok(Metadata(pairs))
}

fn alignment(data: &DataFile, metadata: &Metadata) -> Result<u64, Error> {
  let Some(value) = metadata.get("general.alignment") else {
    return Ok(DEFAULT_ALIGNMENT);
  };
  match value.unsigned() {
    Some(alignment) if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT => Ok(alignment),
    _ => Err(data.damaged(format!(
      "general.alignment is {}, not a small power of two",
      value.json()
    ))),
  }
}

/// One entry of the tensor list. Its offset still counts from the start of the data.
fn read_tensor(reader: &mut ByteReader) -> Result<StoredTensor, Error> {
  let name = reader.string()?;
  let axes = reader.u32()?;
  if axes > MAX_AXES {
    return Err(reader.damaged(format!(
      "tensor {} has {axes} axes (limit {MAX_AXES})",
      name.escape_debug()
    )));
  }
  let mut shape = (0..axes).map(|_| reader.u64()).collect::<Result<Vec<_>, _>>()?;
  shape.reverse();
  let number = reader.u32()?;
  let element = ElementType::of_gguf(number)
    .ok_or_else(|| reader.damaged(format!("tensor {} has the unknown type {number}", name.escape_debug())))?;
  let offset = reader.u64()?;
  let columns = shape.last().copied().unwrap_or(1);
  let size_bytes = shape
    .iter()
    .try_fold(1_u64, |product, axis| product.checked_mul(*axis))
    .and_then(|elements| element.size_bytes(elements, columns));
  let axes = checked_shape(&shape);
  let (Some(size_bytes), Some(shape)) = (size_bytes, axes) else {
    return Err(reader.damaged(format!(
      "tensor {} of type {} cannot have shape {shape:?}",
      name.escape_debug(),
      element.name
    )));
  };
  Ok(StoredTensor {
    name,
    element,
    shape,
    file: 0,
    offset,
    size_bytes,
  })
}
