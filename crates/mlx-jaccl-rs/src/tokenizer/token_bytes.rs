//! The exact bytes each token adds to a text: what a stream of tokens is put together from.

use serde_json::Value;
use std::collections::HashMap;
use tokenizers::{Decoder, Tokenizer};

/// How the pieces of a model are written.
enum Spelling {
  /// Each character stands for a byte (GPT-2's alphabet).
  ByteLevel(HashMap<char, u8>),
  /// `▁` is a space; `<0x0A>` a byte if the decoder reads such pieces.
  SentencePiece { bytes: bool },
  /// Whatever the decoder makes of a single piece.
  Other,
}

/// Bytes of all tokens: token i is `bytes[offsets[i]..offsets[i + 1]]`.
pub struct TokenBytes {
  pub bytes: Vec<u8>,
  pub offsets: Vec<u32>,
}

impl TokenBytes {
  /// `size` is one more than the highest id. An id without a token has no bytes.
  pub fn of(tokenizer: &Tokenizer, size: u32) -> Self {
    let spelling = Spelling::of(tokenizer);
    let added = tokenizer.get_added_tokens_decoder();
    let mut table = Self {
      bytes: Vec::new(),
      offsets: vec![0],
    };
    for id in 0..size {
      if let Some(token) = added.get(&id) {
        table.bytes.extend(token.content.as_bytes());
      } else if let Some(piece) = tokenizer.id_to_token(id) {
        spelling.append(tokenizer, &piece, &mut table.bytes);
      }
      table.offsets.push(u32::try_from(table.bytes.len()).unwrap_or(u32::MAX));
    }
    table
  }

  pub fn of_token(&self, id: usize) -> &[u8] {
    match (self.offsets.get(id), self.offsets.get(id + 1)) {
      (Some(start), Some(end)) => &self.bytes[*start as usize..*end as usize],
      _ => &[],
    }
  }
}

impl Spelling {
  fn of(tokenizer: &Tokenizer) -> Self {
    let decoder = serde_json::to_value(tokenizer.get_decoder()).unwrap_or(Value::Null);
    let has = |kind: &str| holds_type(&decoder, kind);
    if has("ByteLevel") {
      Self::ByteLevel(byte_alphabet())
    } else if has("ByteFallback") || has("Metaspace") || has("Replace") {
      Self::SentencePiece {
        bytes: has("ByteFallback"),
      }
    } else {
      Self::Other
    }
  }

  fn append(&self, tokenizer: &Tokenizer, piece: &str, into: &mut Vec<u8>) {
    match self {
      Self::ByteLevel(alphabet) => {
        let bytes: Option<Vec<u8>> = piece.chars().map(|sign| alphabet.get(&sign).copied()).collect();
        into.extend(bytes.unwrap_or_else(|| piece.as_bytes().to_vec()));
      }
      Self::SentencePiece { bytes } => match byte_piece(piece).filter(|_| *bytes) {
        Some(byte) => into.push(byte),
        None => into.extend(piece.replace('\u{2581}', " ").as_bytes()),
      },
      Self::Other => {
        let decoded = tokenizer
          .get_decoder()
          .map(|decoder| decoder.decode(vec![piece.to_owned()]));
        into.extend(decoded.and_then(Result::ok).as_deref().unwrap_or(piece).as_bytes());
      }
    }
  }
}

/// Whether `value`, or a step inside it, is of the type `kind`.
fn holds_type(value: &Value, kind: &str) -> bool {
  match value {
    Value::Object(map) => {
      map.get("type").is_some_and(|found| found == kind) || map.values().any(|inner| holds_type(inner, kind))
    }
    Value::Array(items) => items.iter().any(|inner| holds_type(inner, kind)),
    _ => false,
  }
}

/// The byte of a piece like `<0x0A>`.
fn byte_piece(piece: &str) -> Option<u8> {
  let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
  if digits.len() == 2 {
    u8::from_str_radix(digits, 16).ok()
  } else {
    None
  }
}

/// GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the others for 256, 257, ... in order.
fn byte_alphabet() -> HashMap<char, u8> {
  let mut spare = '\u{100}'..;
  (0..=u8::MAX)
    .filter_map(|byte| match byte {
      b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => Some((char::from(byte), byte)),
      _ => spare.next().map(|sign| (sign, byte)),
    })
    .collect()
}

/// The pieces of a vocabulary of single bytes.
#[cfg(test)]
pub fn alphabet_for_tests() -> Vec<String> {
  byte_alphabet().into_keys().map(String::from).collect()
}
