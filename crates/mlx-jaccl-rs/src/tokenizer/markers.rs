//! A tokenizer that reads the markers of added tokens (`<|im_start|>`, `<think>`) as the text they are, so that no user
//! text turns into control tokens.

use crate::error::Error;
use serde_json::Value;
use std::collections::HashSet;
use tokenizers::{AddedToken, AddedVocabulary, Model, NormalizerWrapper, Tokenizer};

/// Runs of blanks and single characters are added tokens of some models, but text for everyone.
pub fn is_marker(token: &AddedToken) -> bool {
  let is_blank = |sign: char| sign.is_whitespace() || sign == '\u{2581}';
  token.special || (token.content.chars().count() > 1 && !token.content.chars().all(is_blank))
}

/// `full` without its markers. `describe` gives its tokenizer.json, which is needed only when the model must change:
/// when text could become a marker by merges, or when the model does not know an added token that stays.
pub fn without_markers(full: &Tokenizer, describe: impl FnOnce() -> Result<Value, Error>) -> Result<Tokenizer, Error> {
  let known = |token: &AddedToken| full.get_model().token_to_id(&token.content);
  let mut added: Vec<(u32, AddedToken)> = full.get_added_tokens_decoder().into_iter().collect();
  added.sort_by_key(|(id, _)| *id);
  let (markers, kept): (Vec<_>, Vec<_>) = added.into_iter().partition(|(_, token)| is_marker(token));
  let in_model = markers
    .into_iter()
    .filter(|(_, token)| known(token).is_some())
    .map(|(_, token)| token.content);
  let in_model: HashSet<String> = in_model.collect();
  let missing: Vec<&(u32, AddedToken)> = kept.iter().filter(|(id, token)| known(token) != Some(*id)).collect();
  let mut changed = None;
  if !in_model.is_empty() || !missing.is_empty() {
    let mut json = describe()?;
    let reachable = remove_from_model(&mut json, &in_model);
    add_to_model(&mut json, &missing);
    if reachable || !missing.is_empty() {
      json["added_tokens"] = Value::Array(Vec::new());
      changed = Some(build(&json)?);
    }
  }
  let mut plain = changed.unwrap_or_else(|| full.clone());
  let kept: Vec<AddedToken> = kept.into_iter().map(|(_, token)| token).collect();
  let mut vocabulary = AddedVocabulary::new();
  vocabulary.add_tokens::<NormalizerWrapper>(&kept, plain.get_model(), plain.get_normalizer());
  plain.with_added_vocabulary(vocabulary);
  Ok(plain)
}

/// Builds a tokenizer that neither cuts nor pads.
pub fn build(json: &Value) -> Result<Tokenizer, Error> {
  parse(json.to_string().as_bytes())
}

pub fn parse(json: &[u8]) -> Result<Tokenizer, Error> {
  let wrong = |error: tokenizers::Error| Error::model(format!("the tokenizer is not valid: {error}"));
  let mut tokenizer = Tokenizer::from_bytes(json).map_err(wrong)?;
  tokenizer.with_truncation(None).map_err(wrong)?;
  tokenizer.with_padding(None);
  Ok(tokenizer)
}

/// Takes the markers, and the merges that make or use one, out of the model. False if text cannot become one anyway.
fn remove_from_model(json: &mut Value, markers: &HashSet<String>) -> bool {
  let model = &mut json["model"];
  let unknown = model["unk_token"].as_str().map(ToOwned::to_owned);
  let is_bpe = model["type"] == "BPE" || model.get("merges").is_some();
  let ignores_merges = model["ignore_merges"] == true;
  let mut changed = !is_bpe || ignores_merges;
  if let Some(merges) = model["merges"].as_array_mut() {
    let before = merges.len();
    merges.retain(|merge| !touches(merge, markers));
    changed |= merges.len() != before;
  }
  match &mut model["vocab"] {
    // The token for what is unknown must stay; text reaches it by no merge.
    Value::Object(vocab) => vocab.retain(|token, _| !markers.contains(token) || Some(token) == unknown.as_ref()),
    // Unigram: ids are places, so a marker stays and is made the worst choice.
    Value::Array(vocab) => {
      for entry in vocab
        .iter_mut()
        .filter(|entry| entry[0].as_str().is_some_and(|token| markers.contains(token)))
      {
        entry[1] = WORST_SCORE.into();
      }
    }
    _ => {}
  }
  changed
}

/// An added token takes its id from the model, if the model knows it.
fn add_to_model(json: &mut Value, tokens: &[&(u32, AddedToken)]) {
  if let Value::Object(vocab) = &mut json["model"]["vocab"] {
    vocab.extend(tokens.iter().map(|(id, token)| (token.content.clone(), (*id).into())));
  }
}

/// Far below the logarithm of any probability.
const WORST_SCORE: f64 = -1e6;

fn touches(merge: &Value, markers: &HashSet<String>) -> bool {
  let pair = match merge {
    Value::String(line) => line.split_once(' '),
    Value::Array(pair) => pair
      .first()
      .and_then(Value::as_str)
      .zip(pair.get(1).and_then(Value::as_str)),
    _ => None,
  };
  pair.is_some_and(|(left, right)| {
    markers.contains(left) || markers.contains(right) || markers.contains(&format!("{left}{right}"))
  })
}
