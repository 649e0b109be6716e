//! A model's tokenizer: text to ids and back, with and without control tokens. Knows nothing of JavaScript.

use super::gguf_tokenizer;
use super::markers::{self, without_markers};
use super::token_bytes::TokenBytes;
use crate::checkpoint::Metadata;
use crate::error::Error;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tokenizers::{Model, Tokenizer};

/// The largest tokenizer.json files have some 35 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Far above any vocabulary: an id beyond would make a table of gaps.
const MAX_VOCABULARY: u32 = 4 << 20;

pub struct TextCodec {
  /// Reads the markers of added tokens as those tokens.
  full: Tokenizer,
  /// Reads them as text.
  plain: Tokenizer,
  table: TokenBytes,
  size: u32,
}

impl TextCodec {
  pub fn from_file(path: &Path) -> Result<Self, Error> {
    let length = fs::metadata(path).map_err(|source| Error::file(path, source))?.len();
    if length > MAX_FILE_BYTES {
      return Err(Error::model(format!(
        "{} has {length} bytes (limit {MAX_FILE_BYTES})",
        path.display()
      )));
    }
    let text = fs::read(path).map_err(|source| Error::file(path, source))?;
    let in_file = |error: Error| Error::model(format!("{}: {error}", path.display()));
    let full = markers::parse(&text).map_err(in_file)?;
    let describe = || serde_json::from_slice::<Value>(&text).map_err(|error| Error::model(error.to_string()));
    Self::new(full, describe).map_err(in_file)
  }

  pub fn from_gguf(metadata: &Metadata) -> Result<Self, Error> {
    let json = gguf_tokenizer::describe(metadata)?;
    let full = markers::build(&json)?;
    Self::new(full, || Ok(json))
  }

  fn new(full: Tokenizer, describe: impl FnOnce() -> Result<Value, Error>) -> Result<Self, Error> {
    let added = full.get_added_tokens_decoder().into_keys().max();
    let size = full
      .get_model()
      .get_vocab()
      .into_values()
      .max()
      .max(added)
      .map_or(0, |last| last.saturating_add(1));
    if size > MAX_VOCABULARY {
      return Err(Error::model(format!(
        "the tokenizer has the id {} (limit {MAX_VOCABULARY})",
        size - 1
      )));
    }
    let plain = without_markers(&full, describe)?;
    let table = TokenBytes::of(&full, size);
    Ok(Self {
      full,
      plain,
      table,
      size,
    })
  }

  pub fn size(&self) -> u32 {
    self.size
  }

  pub fn table(&self) -> &TokenBytes {
    &self.table
  }

  pub fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<u32>, Error> {
    let tokenizer = if parse_special { &self.full } else { &self.plain };
    let encoding = tokenizer
      .encode_fast(text, add_special)
      .map_err(|error| Error::argument(format!("the text cannot be tokenized: {error}")))?;
    Ok(encoding.get_ids().to_vec())
  }

  pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, Error> {
    self
      .full
      .decode(ids, skip_special)
      .map_err(|error| Error::argument(format!("the ids cannot be decoded: {error}")))
  }

  pub fn token_to_id(&self, token: &str) -> Option<u32> {
    self.full.token_to_id(token)
  }

  pub fn id_to_token(&self, id: u32) -> Option<String> {
    self.full.id_to_token(id)
  }

  /// Ids of added tokens that are control tokens, in order.
  pub fn special_ids(&self) -> Vec<u32> {
    let added = self.full.get_added_tokens_decoder();
    let mut ids: Vec<u32> = added
      .into_iter()
      .filter(|(_, token)| token.special)
      .map(|(id, _)| id)
      .collect();
    ids.sort_unstable();
    ids
  }
}
