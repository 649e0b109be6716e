//! The grammars of a loaded model, compiled once and kept for the next request. The tokenizer is read when the first is
//! asked for. Shared by the threads of the pool.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::grammar::Grammar;
use super::rule::Rule;
use super::vocabulary::Vocabulary;
use crate::checkpoint::Metadata;
use crate::error::Error;
use crate::tokenizer::TextCodec;

/// Grammars kept, and the bytes of their rules.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 16 << 20;

/// Where the tokenizer is.
pub enum Source {
  File(PathBuf),
  Gguf(Box<Metadata>),
}

/// The error is a sentence for a person.
type Slot = OnceLock<Result<Arc<Grammar>, String>>;

pub struct GrammarStore {
  source: Source,
  ends: Vec<u32>,
  size: usize,
  vocabulary: OnceLock<Result<Arc<Vocabulary>, String>>,
  /// The one used last is the last.
  kept: Mutex<Vec<(String, Arc<Slot>)>>,
}

impl GrammarStore {
  /// `ends`: tokens that end an answer. `size`: width of the model's logits.
  pub fn new(source: Source, ends: Vec<u32>, size: usize) -> Self {
    Self {
      source,
      ends,
      size,
      vocabulary: OnceLock::new(),
      kept: Mutex::default(),
    }
  }

  fn vocabulary(&self) -> Result<Arc<Vocabulary>, String> {
    let load = || -> Result<Vocabulary, Error> {
      let codec = match &self.source {
        Source::File(path) => TextCodec::from_file(path)?,
        Source::Gguf(metadata) => TextCodec::from_gguf(metadata)?,
      };
      Vocabulary::new(&codec, &self.ends, self.size)
    };
    let found = self
      .vocabulary
      .get_or_init(|| load().map(Arc::new).map_err(|error| error.to_string()));
    found.clone()
  }

  /// Compiles a rule unless it is known. Waits where another thread compiles the same one.
  pub fn grammar(&self, text: &str) -> Result<Arc<Grammar>, String> {
    let vocabulary = self.vocabulary()?;
    let slot = self.slot(text);
    let compile = || Rule::parse(text).and_then(|rule| Grammar::new(rule, vocabulary));
    let found = slot.get_or_init(|| compile().map(Arc::new).map_err(|error| error.to_string()));
    found.clone()
  }

  fn slot(&self, text: &str) -> Arc<Slot> {
    let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kept
      .iter()
      .position(|(other, _)| other == text)
      .map(|at| kept.remove(at));
    let (key, slot) = known.unwrap_or_else(|| (text.to_owned(), Arc::default()));
    kept.push((key, Arc::clone(&slot)));
    let bytes = |kept: &[(String, Arc<Slot>)]| kept.iter().map(|(key, _)| key.len()).sum::<usize>();
    while kept.len() > 1 && (kept.len() > KEPT || bytes(&kept) > KEPT_BYTES) {
      kept.remove(0);
    }
    slot
  }
}
