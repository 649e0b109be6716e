//! The constraint of one sequence, shared between the thread that owns it and the pool: who comes first does the work.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pool;
use super::state::Terms;
use super::state::{Mask, State, allows};
use super::store::GrammarStore;

pub const COMPILING: u8 = 0;
pub const READY: u8 = 1;
pub const FAILED: u8 = 2;

struct Work {
  /// None while the grammar compiles, or when it could not be.
  state: Option<State>,
  /// Tokens that the state has not seen.
  unseen: Vec<u32>,
  /// Of the state; None: to be computed.
  mask: Option<Mask>,
  error: String,
}

pub struct Constraint {
  work: Mutex<Work>,
  status: AtomicU8,
}

impl Constraint {
  /// Begins to compile. `tokens` of the answer exist already.
  pub fn open(store: Arc<GrammarStore>, rule: String, terms: Terms, tokens: Vec<u32>) -> Arc<Self> {
    let work = Work {
      state: None,
      unseen: tokens,
      mask: None,
      error: String::new(),
    };
    let constraint = Arc::new(Self {
      work: Mutex::new(work),
      status: AtomicU8::new(COMPILING),
    });
    let own = Arc::clone(&constraint);
    pool::run(move || own.compile(&store, &rule, terms));
    constraint
  }

  pub fn status(&self) -> u8 {
    self.status.load(Ordering::Acquire)
  }

  fn lock(&self) -> MutexGuard<'_, Work> {
    self.work.lock().unwrap_or_else(PoisonError::into_inner)
  }

  fn compile(&self, store: &GrammarStore, rule: &str, terms: Terms) {
    let found = store.grammar(rule);
    let mut work = self.lock();
    let status = match found {
      Ok(grammar) => {
        work.state = Some(State::new(grammar, terms));
        work.settle();
        READY
      }
      Err(error) => {
        work.error = error;
        FAILED
      }
    };
    drop(work);
    self.status.store(status, Ordering::Release);
  }

  /// A token was chosen: the mask after it is computed from now on.
  pub fn advance(self: &Arc<Self>, id: u32) {
    let mut work = self.lock();
    work.unseen.push(id);
    work.mask = None;
    drop(work);
    let own = Arc::clone(self);
    pool::run(move || {
      // Who waits for the mask has begun already.
      if let Ok(mut work) = own.work.try_lock() {
        work.settle();
      }
    });
  }

  /// What may follow all tokens so far.
  pub fn mask(&self) -> Mask {
    let mut work = self.lock();
    work.settle();
    work.mask.clone().unwrap_or_else(|| Mask::Failed(work.error.clone()))
  }

  pub fn error(&self) -> String {
    let work = self.lock();
    match &work.mask {
      Some(Mask::Failed(reason)) => reason.clone(),
      _ => work.error.clone(),
    }
  }

  pub fn rollback(&self, count: usize) {
    let mut work = self.lock();
    work.settle();
    if let Some(state) = work.state.as_mut() {
      state.rollback(count);
    }
    work.mask = None;
  }

  pub fn validate(&self, drafts: &[u32]) -> usize {
    let mut work = self.lock();
    work.settle();
    work.state.as_mut().map_or(0, |state| state.validate(drafts))
  }

  /// The masks after none, one, two ... of these tokens, up to the first that may not come. The tokens are forgotten again.
  pub fn masks(&self, drafts: &[u32]) -> Vec<Mask> {
    let mut work = self.lock();
    work.settle();
    let Some(state) = work.state.as_mut() else {
      return Vec::new();
    };
    let mut masks = vec![state.mask()];
    let mut count = 0;
    for &id in drafts {
      if !masks.last().is_some_and(|mask| allows(mask, id)) {
        break;
      }
      state.advance(id);
      count += 1;
      masks.push(state.mask());
    }
    state.rollback(count);
    masks
  }

  /// Gives the matcher back.
  pub fn close(&self) {
    self.lock().state = None;
  }
}

impl Work {
  fn settle(&mut self) {
    let Some(state) = self.state.as_mut() else { return };
    for id in self.unseen.drain(..) {
      state.advance(id);
    }
    if self.mask.is_none() {
      self.mask = Some(state.mask());
    }
  }
}
