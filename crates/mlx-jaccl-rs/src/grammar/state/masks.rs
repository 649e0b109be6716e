//! Which tokens may follow, as bits: what the matcher says, and what the phase around it adds or takes.

use super::{OPENING_SPACE, Phase, State};
use crate::grammar::vocabulary::MASK_BITS;

/// What may follow.
#[derive(Clone)]
pub enum Mask {
  Free,
  /// A bit a token.
  Tokens(Vec<u32>),
  /// Nothing: the answer is whole.
  Complete,
  Failed(String),
}

impl State {
  /// Which tokens may follow.
  pub fn mask(&mut self) -> Mask {
    if matches!(self.phase, Phase::Matching) && self.may_leave() {
      return Mask::Free;
    }
    let mut words = match &self.phase {
      Phase::Free(_) | Phase::Bare { .. } => return Mask::Free,
      Phase::Done => return Mask::Complete,
      Phase::Failed(reason) => return Mask::Failed(reason.clone()),
      Phase::Thought(_) => vec![u32::MAX; self.grammar.vocabulary.mask_words()],
      Phase::Opening { text, may_match } => {
        let mut words = self.grammar.opening_mask(text, OPENING_SPACE);
        if *may_match && let Mask::Tokens(own) = self.matcher_mask() {
          join(&mut words, &own);
        }
        words
      }
      Phase::Gap(left) => {
        let left = *left;
        match self.matcher_mask() {
          Mask::Tokens(mut words) => {
            if left > 0 {
              join(&mut words, self.grammar.vocabulary.blanks());
            }
            words
          }
          other => return other,
        }
      }
      Phase::Matching => match self.matcher_mask() {
        Mask::Tokens(words) => words,
        other => return other,
      },
    };
    let is_thought = matches!(self.phase, Phase::Thought(_));
    if is_thought || self.tokens.len() < self.terms.min_tokens {
      let ends = std::mem::take(&mut self.terms.ends);
      let before = words.clone();
      for &end in &ends {
        if let Some(word) = words.get_mut(end as usize / MASK_BITS) {
          *word &= !(1 << (end as usize % MASK_BITS));
        }
      }
      self.terms.ends = ends;
      if words.iter().all(|&word| word == 0) {
        words = before;
      }
    }
    Mask::Tokens(words)
  }

  fn matcher_mask(&mut self) -> Mask {
    let Some(matcher) = self.matcher.as_mut() else {
      return Mask::Failed("the grammar has become too complex".to_owned());
    };
    let accepts = matcher.is_accepting().unwrap_or(false);
    match matcher.compute_mask() {
      Ok(allowed) => {
        let mut words = allowed.as_slice().to_vec();
        words.resize(self.grammar.vocabulary.mask_words(), 0);
        if accepts {
          for &end in &self.terms.ends {
            if let Some(word) = words.get_mut(end as usize / MASK_BITS) {
              *word |= 1 << (end as usize % MASK_BITS);
            }
          }
        }
        Mask::Tokens(words)
      }
      Err(error) => {
        self.matcher = None;
        if !accepts {
          return Mask::Failed(format!("no token can follow: {error}"));
        }
        self.phase = self.after_grammar();
        if matches!(self.phase, Phase::Done) {
          Mask::Complete
        } else {
          Mask::Free
        }
      }
    }
  }

  /// How many of these tokens may come one after the other.
  pub fn validate(&mut self, drafts: &[u32]) -> usize {
    let mut count = 0;
    for &id in drafts {
      if !allows(&self.mask(), id) {
        break;
      }
      self.advance(id);
      count += 1;
    }
    self.rollback(count);
    count
  }
}

fn join(words: &mut [u32], more: &[u32]) {
  for (word, other) in words.iter_mut().zip(more) {
    *word |= other;
  }
}

pub fn allows(mask: &Mask, id: u32) -> bool {
  match mask {
    Mask::Free => true,
    Mask::Tokens(words) => words
      .get(id as usize / MASK_BITS)
      .is_some_and(|word| word >> (id as usize % MASK_BITS) & 1 == 1),
    Mask::Complete | Mask::Failed(_) => false,
  }
}
