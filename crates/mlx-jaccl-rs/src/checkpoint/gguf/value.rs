//! One key-value of a GGUF header.

use super::byte_reader::ByteReader;
use crate::error::Error;
use serde_json::Value as Json;

/// The largest vocabularies have about 300,000 tokens and 500,000 merges.
const MAX_ARRAY: usize = 4 << 20;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
  Unsigned(u64),
  Signed(i64),
  Float(f64),
  Truth(bool),
  Text(String),
  Numbers(Vec<f64>),
  Texts(Vec<String>),
}

impl Value {
  pub fn read(reader: &mut ByteReader, key: &str) -> Result<Self, Error> {
    let kind = reader.u32()?;
    match kind {
      STRING => Ok(Self::Text(reader.string()?)),
      ARRAY => Self::read_array(reader, key),
      _ => scalar(reader, kind, key),
    }
  }

  fn read_array(reader: &mut ByteReader, key: &str) -> Result<Self, Error> {
    let kind = reader.u32()?;
    let least_bytes = match kind {
      0 | 1 | 7 => 1,
      2 | 3 => 2,
      4..=6 => 4,
      STRING | 10..=12 => 8,
      ARRAY => return Err(reader.damaged(format!("key {} holds arrays in an array", key.escape_debug()))),
      _ => return Err(unknown(reader, kind, key)),
    };
    let count = reader.count(least_bytes, "array items")?;
    if count > MAX_ARRAY {
      return Err(reader.damaged(format!(
        "key {} has {count} items (limit {MAX_ARRAY})",
        key.escape_debug()
      )));
    }
    if kind == STRING {
      return Ok(Self::Texts(
        (0..count).map(|_| reader.string()).collect::<Result<_, _>>()?,
      ));
    }
    let number = |value: Self| value.float().unwrap_or_default();
    Ok(Self::Numbers(
      (0..count)
        .map(|_| scalar(reader, kind, key).map(number))
        .collect::<Result<_, _>>()?,
    ))
  }

  pub fn unsigned(&self) -> Option<u64> {
    match self {
      Self::Unsigned(value) => Some(*value),
      Self::Signed(value) => u64::try_from(*value).ok(),
      _ => None,
    }
  }

  /// Any number; whole numbers above 2^53 lose their last digits.
  #[expect(clippy::cast_precision_loss, reason = "ids and counts are far below 2^53")]
  pub fn float(&self) -> Option<f64> {
    match self {
      Self::Unsigned(value) => Some(*value as f64),
      Self::Signed(value) => Some(*value as f64),
      Self::Float(value) => Some(*value),
      Self::Truth(value) => Some(f64::from(u8::from(*value))),
      _ => None,
    }
  }

  pub fn text(&self) -> Option<&str> {
    match self {
      Self::Text(value) => Some(value),
      _ => None,
    }
  }

  pub fn truth(&self) -> Option<bool> {
    match self {
      Self::Truth(value) => Some(*value),
      _ => None,
    }
  }

  pub fn json(&self) -> Json {
    match self {
      Self::Unsigned(value) => (*value).into(),
      Self::Signed(value) => (*value).into(),
      Self::Float(value) => (*value).into(),
      Self::Truth(value) => (*value).into(),
      Self::Text(value) => value.as_str().into(),
      Self::Numbers(values) => values.as_slice().into(),
      Self::Texts(values) => values.as_slice().into(),
    }
  }
}

fn scalar(reader: &mut ByteReader, kind: u32, key: &str) -> Result<Value, Error> {
  Ok(match kind {
    0 => Value::Unsigned(reader.u8()?.into()),
    1 => Value::Signed(reader.u8()?.cast_signed().into()),
    2 => Value::Unsigned(reader.u16()?.into()),
    3 => Value::Signed(reader.u16()?.cast_signed().into()),
    4 => Value::Unsigned(reader.u32()?.into()),
    5 => Value::Signed(reader.u32()?.cast_signed().into()),
    6 => Value::Float(f32::from_bits(reader.u32()?).into()),
    7 => Value::Truth(reader.u8()? != 0),
    10 => Value::Unsigned(reader.u64()?),
    11 => Value::Signed(reader.u64()?.cast_signed()),
    12 => Value::Float(f64::from_bits(reader.u64()?)),
    _ => return Err(unknown(reader, kind, key)),
  })
}

fn unknown(reader: &ByteReader, kind: u32, key: &str) -> Error {
  reader.damaged(format!("key {} has the unknown value type {kind}", key.escape_debug()))
}
