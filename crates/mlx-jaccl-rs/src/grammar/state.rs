//! Where an answer stands: thinking, free, or inside a grammar; and which tokens may follow. Rebuilt from tokens wherever
//! an answer goes on. Knows no threads.

use std::collections::VecDeque;
use std::sync::Arc;

use llguidance::Matcher;

use super::grammar::Grammar;
use super::watch::{Found, Watch};
pub use masks::{Mask, allows};

mod masks;

/// Tokens of space between a thought and the answer.
const GAP: u8 = 2;
/// Space before the text that opens a thought.
const OPENING_SPACE: usize = 2;
/// Tokens that can be taken back without reading all others again.
const REMEMBERED: usize = 64;

#[derive(Clone)]
enum Phase {
  /// The text so far may become the beginning of a thought, and, if `may_match`, is of the grammar too.
  Opening {
    text: Vec<u8>,
    may_match: bool,
  },
  Thought(Watch),
  /// Space may come before the answer.
  Gap(u8),
  /// Like Free, at the beginning of an answer.
  Bare {
    tokens: Vec<u32>,
    watch: Watch,
  },
  Free(Watch),
  Matching,
  Done,
  Failed(String),
}

/// What a sequence brings beside its rule.
#[derive(Clone, Default)]
pub struct Terms {
  /// Tokens that end the answer.
  pub ends: Vec<u32>,
  /// They do not before so many tokens, unless nothing else can follow.
  pub min_tokens: usize,
}

struct Moment {
  phase: Phase,
  fed: usize,
  epoch: u32,
}

pub struct State {
  grammar: Arc<Grammar>,
  terms: Terms,
  /// None after it failed, until it is needed again.
  matcher: Option<Matcher>,
  phase: Phase,
  tokens: Vec<u32>,
  /// Tokens that the matcher has taken, since it began for the `epoch`-th time.
  fed: usize,
  epoch: u32,
  history: VecDeque<Moment>,
}

impl State {
  pub fn new(grammar: Arc<Grammar>, terms: Terms) -> Self {
    let phase = first_phase(&grammar);
    Self {
      matcher: Some(grammar.take()),
      grammar,
      terms,
      phase,
      tokens: Vec::new(),
      fed: 0,
      epoch: 0,
      history: VecDeque::new(),
    }
  }

  /// A token was chosen, none of those that end an answer.
  pub fn advance(&mut self, id: u32) {
    if self.history.len() == REMEMBERED {
      self.history.pop_front();
    }
    let (phase, fed, epoch) = (self.phase.clone(), self.fed, self.epoch);
    self.history.push_back(Moment { phase, fed, epoch });
    self.tokens.push(id);
    let grammar = Arc::clone(&self.grammar);
    let bytes = grammar.vocabulary.text(id);
    let phase = std::mem::replace(&mut self.phase, Phase::Matching);
    self.phase = self.next_phase(phase, id, bytes);
    if matches!(self.phase, Phase::Matching) && self.matcher.as_ref().is_none_or(Matcher::is_stopped) {
      self.phase = self.after_grammar();
    }
  }

  fn next_phase(&mut self, phase: Phase, id: u32, bytes: &[u8]) -> Phase {
    match phase {
      Phase::Opening { text, may_match } => self.open(text, may_match, id, bytes),
      Phase::Thought(watch) => self.think(watch, id, bytes),
      Phase::Gap(left) if left > 0 && bytes.iter().all(u8::is_ascii_whitespace) => Phase::Gap(left - 1),
      Phase::Bare { mut tokens, watch } => {
        tokens.push(id);
        self.begin_bare(tokens, watch, id, bytes)
      }
      Phase::Free(watch) => self.wait(watch, id, bytes),
      Phase::Gap(_) | Phase::Matching => {
        let may_leave = self.may_leave();
        if self.feed(&[id]) {
          Phase::Matching
        } else if may_leave {
          self.wait(Watch::default(), id, bytes)
        } else {
          Phase::Failed("a token is not of the grammar".to_owned())
        }
      }
      Phase::Done | Phase::Failed(_) => phase,
    }
  }

  /// The grammar may end here, and what follows is free.
  fn may_leave(&mut self) -> bool {
    let is_whole = self.grammar.rule.is_whole;
    !is_whole
      && self
        .matcher
        .as_mut()
        .is_some_and(|it| it.is_accepting().unwrap_or(false))
  }

  /// Gives tokens to the matcher, all or none that matter. False: they are not of the grammar.
  fn feed(&mut self, ids: &[u32]) -> bool {
    let Some(matcher) = self.matcher.as_mut() else {
      return false;
    };
    let Ok(taken) = matcher.try_consume_tokens(ids) else {
      self.matcher = None;
      return false;
    };
    self.fed += taken;
    taken == ids.len()
  }

  fn feed_text(&mut self, text: &[u8]) -> bool {
    let ids = self.grammar.vocabulary.trie().greedy_tokenize(text);
    self.feed(&ids)
  }

  /// The grammar begins anew.
  fn restart(&mut self) {
    if self.fed == 0 && self.matcher.is_some() {
      return;
    }
    self.epoch += 1;
    self.fed = 0;
    let used = self.matcher.take();
    self.grammar.give(used);
    self.matcher = Some(self.grammar.take());
  }

  fn after_grammar(&self) -> Phase {
    if self.grammar.rule.is_whole {
      Phase::Done
    } else {
      Phase::Free(Watch::default())
    }
  }

  fn open(&mut self, mut text: Vec<u8>, may_match: bool, id: u32, bytes: &[u8]) -> Phase {
    let grammar = Arc::clone(&self.grammar);
    let Some(thought) = &grammar.rule.thought else {
      return Phase::Matching;
    };
    text.extend_from_slice(bytes);
    let begun = text.trim_ascii_start();
    if begun.starts_with(thought.open.as_bytes()) {
      self.restart();
      let rest = begun[thought.open.len()..].to_vec();
      return self.think(Watch::default(), id, &rest);
    }
    let may_open = thought.open.as_bytes().starts_with(begun);
    let may_match = may_match && self.feed(&[id]);
    match (may_open, may_match) {
      (true, _) => Phase::Opening { text, may_match },
      (false, true) => Phase::Matching,
      (false, false) => Phase::Failed("a token is not of the grammar".to_owned()),
    }
  }

  fn think(&mut self, mut watch: Watch, id: u32, bytes: &[u8]) -> Phase {
    let grammar = Arc::clone(&self.grammar);
    let Some(thought) = &grammar.rule.thought else {
      return Phase::Matching;
    };
    let mut wanted = vec![thought.close.as_bytes()];
    wanted.extend(grammar.rule.triggers.iter().map(String::as_bytes));
    let Some(found) = watch.push(id, bytes, &wanted) else {
      return Phase::Thought(watch);
    };
    self.restart();
    if found.which > 0 {
      return if self.enter(&found, found.which - 1) {
        Phase::Matching
      } else {
        Phase::Thought(Watch::default())
      };
    }
    let rest = found.rest.trim_ascii_start();
    if rest.is_empty() {
      return Phase::Gap(if found.rest.is_empty() { GAP } else { GAP - 1 });
    }
    // Chosen while it was free: what does not fit is let pass.
    self.feed_text(rest);
    Phase::Matching
  }

  fn wait(&mut self, mut watch: Watch, id: u32, bytes: &[u8]) -> Phase {
    let grammar = Arc::clone(&self.grammar);
    let wanted: Vec<&[u8]> = grammar.rule.triggers.iter().map(String::as_bytes).collect();
    match watch.push(id, bytes, &wanted) {
      None => Phase::Free(watch),
      Some(found) => {
        self.restart();
        if self.enter(&found, found.which) {
          Phase::Matching
        } else {
          Phase::Free(Watch::default())
        }
      }
    }
  }

  fn begin_bare(&mut self, tokens: Vec<u32>, watch: Watch, id: u32, bytes: &[u8]) -> Phase {
    let grammar = Arc::clone(&self.grammar);
    let bare = grammar.rule.bare_trigger.as_deref().unwrap_or_default().as_bytes();
    let text: Vec<u8> = tokens
      .iter()
      .flat_map(|&id| grammar.vocabulary.text(id).to_vec())
      .collect();
    let begun = text.trim_ascii_start();
    if begun.starts_with(bare) && self.feed_text(begun) {
      return Phase::Matching;
    }
    match self.wait(watch, id, bytes) {
      Phase::Free(watch) if !begun.starts_with(bare) && bare.starts_with(begun) => Phase::Bare { tokens, watch },
      phase => phase,
    }
  }

  /// Gives a trigger to the matcher, with what follows it.
  fn enter(&mut self, found: &Found, trigger: usize) -> bool {
    if found.before == 0 && self.feed(&found.tokens) {
      return true;
    }
    self.restart();
    let grammar = Arc::clone(&self.grammar);
    let text = [grammar.rule.triggers[trigger].as_bytes(), &found.rest].concat();
    self.feed_text(&text)
  }

  /// Forgets the last tokens.
  pub fn rollback(&mut self, count: usize) {
    if count == 0 {
      return;
    }
    let kept = self.tokens.len().saturating_sub(count);
    let back = self.tokens.len() - kept;
    let moment = (back <= self.history.len()).then(|| self.history.drain(self.history.len() - back..).next());
    if let Some(Some(Moment { phase, fed, epoch })) = moment {
      let known = epoch == self.epoch
        && self
          .matcher
          .as_mut()
          .is_some_and(|it| it.rollback(self.fed - fed).is_ok());
      if known {
        self.tokens.truncate(kept);
        self.phase = phase;
        self.fed = fed;
        return;
      }
    }
    let tokens = std::mem::take(&mut self.tokens);
    self.matcher = None;
    self.restart();
    self.history.clear();
    self.phase = first_phase(&self.grammar);
    for &id in &tokens[..kept] {
      self.advance(id);
    }
  }
}

impl Drop for State {
  fn drop(&mut self) {
    let used = self.matcher.take();
    self.grammar.give(used);
  }
}

fn first_phase(grammar: &Grammar) -> Phase {
  let rule = &grammar.rule;
  match (rule.is_whole, &rule.thought, &rule.bare_trigger) {
    (true, Some(thought), _) if thought.inside => Phase::Thought(Watch::default()),
    (true, Some(_), _) => Phase::Opening {
      text: Vec::new(),
      may_match: true,
    },
    (true, None, _) => Phase::Matching,
    (false, _, None) => Phase::Free(Watch::default()),
    (false, _, Some(_)) => Phase::Bare {
      tokens: Vec::new(),
      watch: Watch::default(),
    },
  }
}
