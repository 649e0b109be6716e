//! A compiled rule and its matchers: a used one goes on with what it has learned of the vocabulary. Shared by sequences.

use std::sync::{Arc, Mutex, PoisonError};

use llguidance::Matcher;

use super::rule::Rule;
use super::vocabulary::Vocabulary;
use crate::error::Error;

/// Matchers that wait for the next sequence.
const SPARE: usize = 4;

pub struct Grammar {
  pub rule: Rule,
  pub vocabulary: Arc<Vocabulary>,
  /// Never advanced.
  first: Mutex<Matcher>,
  spare: Mutex<Vec<Matcher>>,
}

impl Grammar {
  pub fn new(rule: Rule, vocabulary: Arc<Vocabulary>) -> Result<Self, Error> {
    let first = Mutex::new(rule.compile(&vocabulary)?);
    let spare = Mutex::default();
    Ok(Self {
      rule,
      vocabulary,
      first,
      spare,
    })
  }

  /// A matcher at its beginning.
  pub fn take(&self) -> Matcher {
    let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
    spare.unwrap_or_else(|| self.first.lock().unwrap_or_else(PoisonError::into_inner).deep_clone())
  }

  /// Takes a used matcher back.
  pub fn give(&self, used: Option<Matcher>) {
    let Some(mut matcher) = used else { return };
    if matcher.is_error() || matcher.reset().is_err() {
      return;
    }
    let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < SPARE {
      spare.push(matcher);
    }
  }

  /// Tokens that go on from `text` to the beginning of a thought.
  pub fn opening_mask(&self, text: &[u8], most_space: usize) -> Vec<u32> {
    let Some(thought) = &self.rule.thought else {
      return vec![0; self.vocabulary.mask_words()];
    };
    let open = thought.open.as_bytes();
    self.vocabulary.mask_of(|bytes| {
      let both = [text, bytes].concat();
      let begun = both.trim_ascii_start();
      begun.starts_with(open) || (open.starts_with(begun) && (!begun.is_empty() || both.len() <= most_space))
    })
  }
}
