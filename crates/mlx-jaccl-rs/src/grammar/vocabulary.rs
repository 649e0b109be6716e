//! A tokenizer as grammars see it: the bytes of every token, in a trie. Knows no grammar.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use llguidance::ParserFactory;
use llguidance::api::ParserLimits;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};

use crate::error::Error;
use crate::tokenizer::TextCodec;

/// Two 32nd-steps of the vocabulary in a word of a mask.
pub const MASK_BITS: usize = 32;

/// What a grammar may cost. Fuel is llguidance's measure of work: 50,000 units of the first kind are a millisecond, 14,000
/// of the second.
fn limits() -> ParserLimits {
  ParserLimits {
    initial_lexer_fuel: 2_000_000,
    step_lexer_fuel: 200_000,
    step_max_items: 50_000,
    max_items_in_row: 2_000,
    max_lexer_states: 100_000,
    max_grammar_size: 500_000,
    precompute_large_lexemes: true,
    verbose_errors: false,
  }
}

pub struct Vocabulary {
  bytes: Vec<u8>,
  offsets: Vec<u32>,
  factory: ParserFactory,
  blanks: OnceLock<Vec<u32>>,
}

impl Vocabulary {
  /// `size`: width of the model's logits. Control tokens, and those that end an answer, can be asked for by number only.
  pub fn new(codec: &TextCodec, ends: &[u32], size: usize) -> Result<Self, Error> {
    let control: HashSet<u32> = codec.special_ids().into_iter().chain(ends.iter().copied()).collect();
    let table = codec.table();
    let mut bytes = Vec::with_capacity(table.bytes.len());
    let mut offsets = vec![0];
    let mut words = Vec::with_capacity(size);
    for id in 0..size {
      let text = table.of_token(id);
      bytes.extend_from_slice(text);
      offsets.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
      let is_control = u32::try_from(id).is_ok_and(|id| control.contains(&id));
      words.push(if is_control && !text.is_empty() {
        [&[TokTrie::SPECIAL_TOKEN_MARKER], text].concat()
      } else {
        text.to_vec()
      });
    }
    Self::of_words(bytes, offsets, &words)
  }

  /// Single bytes, and so many tokens without text that a mask is `size` wide: enough to check a grammar.
  pub fn of_bytes(size: usize) -> Result<Self, Error> {
    let mut words: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    words.resize(size.max(words.len()), Vec::new());
    Self::of_words((0..=u8::MAX).collect(), (0..=256).collect(), &words)
  }

  pub(super) fn of_words(bytes: Vec<u8>, offsets: Vec<u32>, words: &[Vec<u8>]) -> Result<Self, Error> {
    let size = u32::try_from(words.len()).map_err(|_| Error::argument("the vocabulary is too large"))?;
    let trie = TokTrie::from(&TokRxInfo::new(size, INVALID_TOKEN), words);
    let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&env, InferenceCapabilities::default(), &slices)
      .map_err(|error| Error::Native(format!("the vocabulary cannot be made a trie: {error}")))?;
    factory.quiet();
    *factory.limits_mut() = limits();
    Ok(Self {
      bytes,
      offsets,
      factory,
      blanks: OnceLock::new(),
    })
  }

  pub fn factory(&self) -> &ParserFactory {
    &self.factory
  }

  pub fn trie(&self) -> &TokTrie {
    self.factory.tok_env().tok_trie()
  }

  pub fn size(&self) -> usize {
    self.trie().vocab_size()
  }

  /// Words of a mask.
  pub fn mask_words(&self) -> usize {
    self.size().div_ceil(MASK_BITS)
  }

  /// What the token adds to a text, also a control token.
  pub fn text(&self, id: u32) -> &[u8] {
    let id = id as usize;
    match (self.offsets.get(id), self.offsets.get(id + 1)) {
      (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
      _ => &[],
    }
  }

  /// A mask of the tokens for whose text `is_wanted` holds.
  pub fn mask_of(&self, mut is_wanted: impl FnMut(&[u8]) -> bool) -> Vec<u32> {
    let mut mask = vec![0; self.mask_words()];
    for id in 0..self.size() {
      let text = self.text(u32::try_from(id).unwrap_or(u32::MAX));
      if !text.is_empty() && is_wanted(text) {
        mask[id / MASK_BITS] |= 1 << (id % MASK_BITS);
      }
    }
    mask
  }

  /// The tokens that are nothing but space.
  pub fn blanks(&self) -> &[u32] {
    self
      .blanks
      .get_or_init(|| self.mask_of(|text| text.iter().all(u8::is_ascii_whitespace)))
  }
}
