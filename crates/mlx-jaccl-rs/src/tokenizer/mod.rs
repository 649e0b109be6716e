//! Tokenizer as TypeScript sees it.

mod gguf_tokenizer;
mod markers;
mod pre_tokenizer;
#[cfg(test)]
mod tests;
mod text_codec;
mod token_bytes;

pub use text_codec::TextCodec;

use crate::checkpoint::Checkpoint;
use napi::bindgen_prelude::{Int32Array, Uint8Array};
use napi_derive::napi;
use std::path::Path;

/// All tokens' bytes at once: token i is bytes[offsets[i] .. offsets[i + 1]].
#[napi(object)]
pub struct TokenTable {
  pub bytes: Uint8Array,
  pub offsets: Int32Array,
}

#[napi]
pub struct Tokenizer {
  codec: TextCodec,
}

#[napi]
impl Tokenizer {
  /// From a tokenizer.json.
  #[napi(factory)]
  pub fn from_file(path: String) -> napi::Result<Self> {
    Ok(Self {
      codec: TextCodec::from_file(Path::new(&path))?,
    })
  }

  /// From the metadata of a GGUF checkpoint.
  #[napi(factory)]
  pub fn from_gguf(checkpoint: &Checkpoint) -> napi::Result<Self> {
    Ok(Self {
      codec: TextCodec::from_gguf(checkpoint.metadata())?,
    })
  }

  /// One more than the highest id.
  #[napi(getter)]
  pub fn vocabulary_size(&self) -> u32 {
    self.codec.size()
  }

  /// Ids of `text`. Markers of added tokens in the text become their ids only with `parseSpecial`.
  #[napi]
  pub fn encode(&self, text: String, add_special: bool, parse_special: bool) -> napi::Result<Int32Array> {
    Ok(signed(self.codec.encode(&text, add_special, parse_special)?))
  }

  #[napi]
  pub fn decode(&self, ids: Int32Array, skip_special: bool) -> napi::Result<String> {
    let ids: Vec<u32> = ids.iter().map(|id| id.cast_unsigned()).collect();
    Ok(self.codec.decode(&ids, skip_special)?)
  }

  /// The bytes a token adds to the text, for streaming. Empty for an id without text.
  #[napi]
  pub fn token_bytes(&self, id: i32) -> Uint8Array {
    let bytes = usize::try_from(id).map(|id| self.codec.table().of_token(id));
    Uint8Array::new(bytes.unwrap_or_default().to_vec())
  }

  /// All tokens' bytes at once: token i is bytes[offsets[i] .. offsets[i + 1]].
  #[napi]
  pub fn token_table(&self) -> TokenTable {
    let table = self.codec.table();
    TokenTable {
      bytes: Uint8Array::new(table.bytes.clone()),
      offsets: signed(table.offsets.clone()),
    }
  }

  #[napi(ts_return_type = "number | null")]
  pub fn token_to_id(&self, token: String) -> Option<u32> {
    self.codec.token_to_id(&token)
  }

  #[napi(ts_return_type = "string | null")]
  pub fn id_to_token(&self, id: i32) -> Option<String> {
    u32::try_from(id).ok().and_then(|id| self.codec.id_to_token(id))
  }

  /// Ids of added tokens that are control tokens.
  #[napi]
  pub fn special_ids(&self) -> Int32Array {
    signed(self.codec.special_ids())
  }
}

fn signed(numbers: Vec<u32>) -> Int32Array {
  Int32Array::new(numbers.into_iter().map(u32::cast_signed).collect())
}
