//! The tokenizer in the metadata of a GGUF file, written as a tokenizer.json. Knows nothing of how it is run.

use super::pre_tokenizer::PreTokenizer;
use crate::checkpoint::{Metadata, Value as Field};
use crate::error::Error;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Types of tokens in `tokenizer.ggml.token_type`.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
/// No vocabulary has a longer token that is made of others; trying all cuts of a long one would take its square.
const MAX_MERGED_BYTES: usize = 512;
/// The sign of `SentencePiece` for a space.
const SPACE: &str = "\u{2581}";

struct Vocabulary<'a> {
  metadata: &'a Metadata,
  tokens: &'a [String],
  /// One a token.
  types: Vec<i64>,
}

/// A tokenizer.json for the metadata.
pub fn describe(metadata: &Metadata) -> Result<Value, Error> {
  let Some(model) = metadata.text("tokenizer.ggml.model") else {
    return Err(Error::model(
      "the file holds no tokenizer (tokenizer.ggml.model is missing)",
    ));
  };
  let Some(Field::Texts(tokens)) = metadata.get("tokenizer.ggml.tokens") else {
    return Err(Error::model(
      "the file holds no tokens (tokenizer.ggml.tokens is missing)",
    ));
  };
  let vocabulary = Vocabulary {
    metadata,
    tokens,
    types: token_types(metadata, tokens.len())?,
  };
  match model {
    "gpt2" => vocabulary.byte_level(),
    "llama" => vocabulary.sentence_piece(),
    _ => Err(Error::model(format!(
      "the tokenizer {model} is not supported; gpt2 and llama are"
    ))),
  }
}

#[expect(
  clippy::cast_possible_truncation,
  reason = "types are small whole numbers; others match no type"
)]
fn token_types(metadata: &Metadata, count: usize) -> Result<Vec<i64>, Error> {
  match metadata.get("tokenizer.ggml.token_type") {
    None => Ok(vec![NORMAL; count]),
    Some(Field::Numbers(types)) if types.len() == count => Ok(types.iter().map(|kind| *kind as i64).collect()),
    Some(_) => Err(Error::model(format!(
      "tokenizer.ggml.token_type does not fit the {count} tokens"
    ))),
  }
}

impl Vocabulary<'_> {
  fn byte_level(&self) -> Result<Value, Error> {
    let name = self.metadata.text("tokenizer.ggml.pre").unwrap_or("default");
    let pre_tokenizer = PreTokenizer::named(name)
      .ok_or_else(|| Error::model(format!("the pre-tokenizer {} is not supported", name.escape_debug())))?;
    let known: HashSet<&str> = self.tokens.iter().map(String::as_str).collect();
    let Some(Field::Texts(lines)) = self.metadata.get("tokenizer.ggml.merges") else {
      return Err(Error::model(
        "the file holds no merges (tokenizer.ggml.merges is missing)",
      ));
    };
    let mut merges = Vec::with_capacity(lines.len());
    for line in lines {
      let pair = line.split_once(' ').filter(|(left, right)| {
        known.contains(left) && known.contains(right) && known.contains(format!("{left}{right}").as_str())
      });
      let (left, right) =
        pair.ok_or_else(|| Error::model(format!("the merge {} joins no tokens to a token", line.escape_debug())))?;
      merges.push(json!([left, right]));
    }
    let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
    Ok(json!({
      "version": "1.0",
      "added_tokens": self.added_tokens(&[CONTROL, USER_DEFINED]),
      "normalizer": pre_tokenizer.nfc.then(|| json!({ "type": "NFC" })),
      "pre_tokenizer": pre_tokenizer.json(),
      "post_processor": self.post_processor(pre_tokenizer.adds_bos)?,
      "decoder": bytes,
      "model": {
        "type": "BPE",
        "vocab": self.ids(),
        "merges": merges,
        "ignore_merges": pre_tokenizer.ignore_merges,
      },
    }))
  }

  /// `SentencePiece` joins the two neighbours whose union has the highest score: merges in order of that score.
  fn sentence_piece(&self) -> Result<Value, Error> {
    let count = self.tokens.len();
    let scores = match self.metadata.get("tokenizer.ggml.scores") {
      Some(Field::Numbers(scores)) if scores.len() == count => scores,
      _ => {
        return Err(Error::model(format!(
          "tokenizer.ggml.scores does not hold one score for each of {count} tokens"
        )));
      }
    };
    let prefix = self.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let prepend = prefix.then(|| json!({ "type": "Prepend", "prepend": SPACE }));
    let replace = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
    let strip = prefix.then(|| json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    let decoders = [
      json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " }),
      json!({ "type": "ByteFallback" }),
      json!({ "type": "Fuse" }),
    ];
    let unknown = self
      .types
      .iter()
      .position(|kind| *kind == UNKNOWN)
      .map(|id| &self.tokens[id]);
    Ok(json!({
      "version": "1.0",
      "added_tokens": self.added_tokens(&[UNKNOWN, CONTROL, USER_DEFINED]),
      "normalizer": { "type": "Sequence", "normalizers": prepend.into_iter().chain([replace]).collect::<Vec<_>>() },
      "pre_tokenizer": null,
      "post_processor": self.post_processor(true)?,
      "decoder": { "type": "Sequence", "decoders": decoders.into_iter().chain(strip).collect::<Vec<_>>() },
      "model": {
        "type": "BPE",
        "vocab": self.ids(),
        "merges": self.merges_by_score(scores),
        "unk_token": unknown,
        "fuse_unk": true,
        "byte_fallback": true,
      },
    }))
  }

  fn merges_by_score(&self, scores: &[f64]) -> Vec<Value> {
    let normal = || (0..self.tokens.len()).filter(|id| self.types[*id] == NORMAL);
    let pieces: HashSet<&str> = normal().map(|id| self.tokens[id].as_str()).collect();
    let mut order: Vec<usize> = normal()
      .filter(|id| self.tokens[*id].len() <= MAX_MERGED_BYTES)
      .collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let mut merges = Vec::new();
    for id in order {
      let token = &self.tokens[id];
      for (cut, _) in token.char_indices().skip(1) {
        let (left, right) = token.split_at(cut);
        if pieces.contains(left) && pieces.contains(right) {
          merges.push(json!([left, right]));
        }
      }
    }
    merges
  }

  /// A token that is written twice keeps its first id.
  fn ids(&self) -> Map<String, Value> {
    self
      .tokens
      .iter()
      .enumerate()
      .rev()
      .map(|(id, token)| (token.clone(), id.into()))
      .collect()
  }

  fn added_tokens(&self, types: &[i64]) -> Vec<Value> {
    let chosen = (0..self.tokens.len()).filter(|id| types.contains(&self.types[*id]) && !self.tokens[*id].is_empty());
    chosen
      .map(|id| {
        json!({
          "id": id,
          "content": self.tokens[id],
          "single_word": false,
          "lstrip": false,
          "rstrip": false,
          "normalized": false,
          "special": self.types[id] != USER_DEFINED,
        })
      })
      .collect()
  }

  fn flag(&self, key: &str) -> Option<bool> {
    self.metadata.get(key).and_then(Field::truth)
  }

  /// The id and text of a token that the metadata names by its id.
  fn named_token(&self, key: &str) -> Result<Option<(u64, &str)>, Error> {
    let Some(id) = self.metadata.get(key).and_then(Field::unsigned) else {
      return Ok(None);
    };
    let token = usize::try_from(id).ok().and_then(|index| self.tokens.get(index));
    let token =
      token.ok_or_else(|| Error::model(format!("{key} is {id}, but there are {} tokens", self.tokens.len())))?;
    Ok(Some((id, token)))
  }

  fn post_processor(&self, adds_bos: bool) -> Result<Value, Error> {
    let bos = self.named_token("tokenizer.ggml.bos_token_id")?;
    let eos = self.named_token("tokenizer.ggml.eos_token_id")?;
    let bos = bos.filter(|_| self.flag("tokenizer.ggml.add_bos_token").unwrap_or(adds_bos));
    let eos = eos.filter(|_| self.flag("tokenizer.ggml.add_eos_token").unwrap_or(false));
    if bos.is_none() && eos.is_none() {
      return Ok(Value::Null);
    }
    let special =
      |token: Option<(u64, &str)>| token.map(|(_, text)| json!({ "SpecialToken": { "id": text, "type_id": 0 } }));
    let around = |sequences: &[&str]| -> Vec<Value> {
      let texts = sequences
        .iter()
        .map(|name| json!({ "Sequence": { "id": name, "type_id": 0 } }));
      special(bos).into_iter().chain(texts).chain(special(eos)).collect()
    };
    let ids = bos.into_iter().chain(eos);
    let table: Map<String, Value> = ids
      .map(|(id, text)| (text.to_owned(), json!({ "id": text, "ids": [id], "tokens": [text] })))
      .collect();
    Ok(json!({
      "type": "TemplateProcessing",
      "single": around(&["A"]),
      "pair": around(&["A", "B"]),
      "special_tokens": table,
    }))
  }
}
