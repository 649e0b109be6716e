//! What an answer must look like, as the text half writes it: grammars, and when they begin to hold. Knows no tokens but
//! their numbers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::{Matcher, regex_to_lark};
use serde::Deserialize;
use serde_json::Value;

use super::vocabulary::Vocabulary;
use crate::error::Error;

/// Bytes of a rule's text.
const MAX_BYTES: usize = 4 << 20;
/// Brackets inside each other in a Lark grammar or a regex: their readers are recursive.
const MAX_BRACKETS: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
  /// The first is where an answer begins; they name each other with `@name`.
  grammars: Vec<Part>,
  /// An answer may begin with a thought, which is free.
  pub thought: Option<Thought>,
  /// Texts at which a grammar begins to hold: they belong to it. Empty: it holds from the beginning, after the thought.
  /// With `isWhole` they end a thought that has no end of its own.
  #[serde(default)]
  pub triggers: Vec<String>,
  /// An answer that begins with this text (after space) is as one that begins with a trigger.
  pub bare_trigger: Option<String>,
  /// The whole answer is of the grammar; otherwise only what begins with a trigger is.
  pub is_whole: bool,
}

#[derive(Deserialize)]
pub struct Thought {
  pub open: String,
  pub close: String,
  /// The prompt has opened it.
  pub inside: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
  name: String,
  lark: Option<String>,
  schema: Option<Value>,
  regex: Option<String>,
}

impl Rule {
  pub fn parse(text: &str) -> Result<Self, Error> {
    if text.len() > MAX_BYTES {
      return Err(Error::argument(format!(
        "the grammar has {} bytes (limit {MAX_BYTES})",
        text.len()
      )));
    }
    let rule: Self = serde_json::from_str(text).map_err(|error| Error::argument(format!("the rule: {error}")))?;
    for part in &rule.grammars {
      for source in [&part.lark, &part.regex].into_iter().flatten() {
        check_brackets(source)?;
      }
    }
    Ok(rule)
  }

  /// The error says that no text can be of the grammar, or that it is too complex to begin.
  pub fn check_beginning(&self, mut matcher: Matcher) -> Result<(), Error> {
    if self.grammars.iter().any(Part::names_tokens) || matcher.is_accepting().unwrap_or(false) {
      return Ok(());
    }
    match matcher.compute_mask() {
      Ok(_) => Ok(()),
      Err(_) => Err(Error::argument("no text is of this grammar, or it is too complex")),
    }
  }

  /// A matcher at the beginning of the grammar. The error says what is wrong with it.
  pub fn compile(&self, vocabulary: &Vocabulary) -> Result<Matcher, Error> {
    let grammars = self.grammars.iter().map(Part::to_grammar).collect();
    let grammar = TopLevelGrammar {
      grammars,
      max_tokens: None,
    };
    let compile = || Matcher::new(vocabulary.factory().create_parser(grammar));
    // Nothing of the vocabulary changes while a grammar is compiled.
    let made = catch_unwind(AssertUnwindSafe(compile));
    let matcher = made.map_err(|_| Error::argument("the grammar cannot be compiled"))?;
    match matcher.get_error() {
      None => Ok(matcher),
      Some(error) => Err(Error::argument(shortened(&error))),
    }
  }
}

impl Part {
  /// Whether it names tokens by number, which a vocabulary of bytes does not have.
  fn names_tokens(&self) -> bool {
    self.lark.as_ref().is_some_and(|source| source.contains("<["))
  }

  fn to_grammar(&self) -> GrammarWithLexer {
    let lark = match (&self.lark, &self.regex) {
      (Some(lark), _) => Some(lark.clone()),
      (None, Some(regex)) => Some(format!("start: /{}/", regex_to_lark(regex, ""))),
      (None, None) => None,
    };
    GrammarWithLexer {
      name: Some(self.name.clone()),
      json_schema: if lark.is_none() { self.schema.clone() } else { None },
      lark_grammar: lark,
    }
  }
}

/// One line of an error that may show the whole grammar.
fn shortened(error: &str) -> String {
  const MOST: usize = 300;
  let line = error.split_whitespace().collect::<Vec<_>>().join(" ");
  let line = line.trim_end_matches('.');
  line.chars().take(MOST).collect()
}

fn check_brackets(source: &str) -> Result<(), Error> {
  let mut depth = 0_usize;
  for byte in source.bytes() {
    match byte {
      b'(' | b'[' | b'{' => depth += 1,
      b')' | b']' | b'}' => depth = depth.saturating_sub(1),
      _ => {}
    }
    if depth > MAX_BRACKETS {
      return Err(Error::argument(format!(
        "brackets stand in each other deeper than {MAX_BRACKETS}"
      )));
    }
  }
  Ok(())
}
