//! Constrained decoding as TypeScript sees it: rules in, masks out. Compiling and masks run on threads of their own.

mod constraint;
#[allow(clippy::module_inception, reason = "the grammar among what grammars need")]
mod grammar;
mod pool;
mod rule;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod vocabulary;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use napi::bindgen_prelude::{Int32Array, Int32ArraySlice};
use napi_derive::napi;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use constraint::{COMPILING, Constraint, FAILED};
use rule::Rule;
use state::{Mask, Terms};
use store::{GrammarStore, Source};
use vocabulary::{MASK_BITS, Vocabulary};

/// What `GrammarConstraint.mask` found.
const FREE: i32 = 0;
const MASKED: i32 = 1;
const COMPLETE: i32 = 2;
const BROKEN: i32 = 3;

/// Checks that a rule's grammars can be compiled for a vocabulary of this size. Returns what is wrong, or null. Takes
/// `timeoutMs` at most.
#[napi(ts_return_type = "string | null")]
pub fn check_grammar(rule: String, vocabulary_size: u32, timeout_ms: u32) -> Option<String> {
  /// Checks that took too long and still run.
  static LATE: AtomicUsize = AtomicUsize::new(0);
  const MOST_LATE: usize = 8;
  if LATE.load(Ordering::Relaxed) >= MOST_LATE {
    return Some("too many grammars are being checked".to_owned());
  }
  LATE.fetch_add(1, Ordering::Relaxed);
  let (told, answer) = mpsc::channel();
  let builder = thread::Builder::new().stack_size(pool::STACK_BYTES);
  let begun = builder.spawn(move || {
    let found = std::panic::catch_unwind(|| check(&rule, vocabulary_size as usize));
    LATE.fetch_sub(1, Ordering::Relaxed);
    drop(told.send(found.unwrap_or_else(|_| Some("the grammar cannot be compiled".to_owned()))));
  });
  if begun.is_err() {
    LATE.fetch_sub(1, Ordering::Relaxed);
    return Some("no thread is left to check the grammar".to_owned());
  }
  answer
    .recv_timeout(Duration::from_millis(u64::from(timeout_ms)))
    .unwrap_or_else(|_| Some(format!("it takes longer than {timeout_ms} ms to compile")))
}

fn check(rule: &str, size: usize) -> Option<String> {
  /// Of one model at a time.
  static LAST: Mutex<Option<Arc<Vocabulary>>> = Mutex::new(None);
  let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
  let known = last.clone().filter(|known| known.size() == size.max(256));
  let made = known.map_or_else(|| Vocabulary::of_bytes(size).map(Arc::new), Ok);
  if let Ok(vocabulary) = &made {
    *last = Some(Arc::clone(vocabulary));
  }
  drop(last);
  let found = made.and_then(|vocabulary| {
    let rule = Rule::parse(rule)?;
    let matcher = rule.compile(&vocabulary)?;
    rule.check_beginning(matcher)
  });
  found.err().map(|error| error.to_string())
}

/// The grammars of one loaded model.
#[napi]
pub struct Grammars {
  store: Arc<GrammarStore>,
  mask_words: u32,
}

#[napi]
impl Grammars {
  /// `tokenizer`: a tokenizer.json, or the GGUF checkpoint. It is read when the first grammar is asked for.
  #[napi(constructor)]
  pub fn new(
    #[napi(ts_arg_type = "string | Checkpoint")] tokenizer: napi::Either<String, &Checkpoint>,
    ends: Int32Array,
    vocabulary_size: u32,
  ) -> Self {
    let source = match tokenizer {
      napi::Either::A(path) => Source::File(PathBuf::from(path)),
      napi::Either::B(checkpoint) => Source::Gguf(Box::new(checkpoint.metadata().clone())),
    };
    Self {
      store: Arc::new(GrammarStore::new(source, unsigned(&ends), vocabulary_size as usize)),
      mask_words: vocabulary_size.div_ceil(32),
    }
  }

  /// The constraint of a sequence whose answer has `tokens` already. `ends` do not end it before `minTokens` tokens, unless
  /// nothing else can follow.
  #[napi]
  pub fn open(&self, rule: String, ends: Int32Array, min_tokens: u32, tokens: Int32Array) -> GrammarConstraint {
    let terms = Terms {
      ends: unsigned(&ends),
      min_tokens: min_tokens as usize,
    };
    GrammarConstraint {
      constraint: Constraint::open(Arc::clone(&self.store), rule, terms, unsigned(&tokens)),
      mask_words: self.mask_words as usize,
    }
  }
}

/// What one sequence may say. Masks are computed on other threads from `advance` on.
#[napi]
pub struct GrammarConstraint {
  constraint: Arc<Constraint>,
  mask_words: usize,
}

#[napi]
impl GrammarConstraint {
  /// "compiling", "ready" or "failed".
  #[napi(getter, ts_return_type = "\"compiling\" | \"ready\" | \"failed\"")]
  pub fn status(&self) -> &'static str {
    match self.constraint.status() {
      COMPILING => "compiling",
      FAILED => "failed",
      _ => "ready",
    }
  }

  /// Why it failed.
  #[napi(getter)]
  pub fn error(&self) -> String {
    self.constraint.error()
  }

  /// A token was chosen, none of those that end the answer.
  #[napi]
  pub fn advance(&self, id: u32) {
    self.constraint.advance(id);
  }

  /// Waits for the mask of the next token and writes it at `offset` of `out`, a bit a token. 0: every token may come, and
  /// nothing was written; 1: written; 2: nothing may come, the answer is whole; 3: it failed.
  #[napi(ts_args_type = "out: Int32Array, offset: number")]
  pub fn mask(&self, mut out: Int32ArraySlice<'_>, offset: u32) -> napi::Result<i32> {
    let mask = self.constraint.mask();
    self.write(&mask, &mut out, offset as usize)
  }

  /// Writes the masks after none, one, two ... of these tokens, and forgets them again. Returns how many were written: those
  /// after a token that may not come, or after a whole answer, are not.
  #[napi(ts_args_type = "drafts: Int32Array, out: Int32Array")]
  pub fn masks(&self, drafts: Int32Array, mut out: Int32ArraySlice<'_>) -> napi::Result<u32> {
    let mut written = 0;
    for mask in self.constraint.masks(&unsigned(&drafts)) {
      match self.write(&mask, &mut out, written * self.mask_words)? {
        MASKED => {}
        FREE => self
          .write(
            &Mask::Tokens(vec![u32::MAX; self.mask_words]),
            &mut out,
            written * self.mask_words,
          )
          .map(drop)?,
        _ => break,
      }
      written += 1;
    }
    Ok(u32::try_from(written).unwrap_or(u32::MAX))
  }

  /// How many of these tokens may come one after the other.
  #[napi]
  pub fn validate(&self, drafts: Int32Array) -> u32 {
    u32::try_from(self.constraint.validate(&unsigned(&drafts))).unwrap_or(u32::MAX)
  }

  /// Forgets the last tokens.
  #[napi]
  pub fn rollback(&self, count: u32) {
    self.constraint.rollback(count as usize);
  }

  /// The sequence is over.
  #[napi]
  pub fn close(&self) {
    self.constraint.close();
  }

  fn write(&self, mask: &Mask, out: &mut Int32ArraySlice<'_>, offset: usize) -> napi::Result<i32> {
    let words = match mask {
      Mask::Free => return Ok(FREE),
      Mask::Complete => return Ok(COMPLETE),
      Mask::Failed(_) => return Ok(BROKEN),
      Mask::Tokens(words) => words,
    };
    // SAFETY: the array is lent for this call, and JavaScript does not run meanwhile.
    let room = unsafe { out.as_mut() };
    let place = room
      .get_mut(offset..offset + self.mask_words)
      .ok_or_else(|| Error::argument(format!("a mask has {} words, and less room is left", self.mask_words)))?;
    for (word, bits) in place.iter_mut().zip(words) {
      *word = bits.cast_signed();
    }
    Ok(MASKED)
  }
}

fn unsigned(ids: &Int32Array) -> Vec<u32> {
  ids.iter().map(|id| id.cast_unsigned()).collect()
}

const _: () = assert!(MASK_BITS == 32, "a mask is made of 32-bit words");
