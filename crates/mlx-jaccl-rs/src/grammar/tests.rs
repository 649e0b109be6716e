//! Rules over a small vocabulary: what may follow, token by token.

use std::sync::Arc;

use super::grammar::Grammar;
use super::rule::Rule;
use super::state::{Mask, State, Terms, allows};
use super::vocabulary::Vocabulary;

const WORDS: [&str; 14] = [
  "<think>",
  "</think>",
  "\n\n",
  "{\"",
  "a",
  "\":",
  "1",
  "}",
  "<tool_call>",
  "text",
  " ",
  "\n",
  "yes",
  "no",
];
const END: u32 = 256 + 14;

fn vocabulary() -> Arc<Vocabulary> {
  let mut words: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
  words.extend(WORDS.iter().map(|word| word.as_bytes().to_vec()));
  words.push(b"\xff<end>".to_vec());
  let bytes = words.concat();
  let mut offsets = vec![0_u32];
  for word in &words {
    offsets.push(offsets[offsets.len() - 1] + u32::try_from(word.len()).expect("small"));
  }
  Arc::new(Vocabulary::of_words(bytes, offsets, &words).expect("a vocabulary"))
}

fn id(word: &str) -> u32 {
  let at = WORDS.iter().position(|known| *known == word).expect(word);
  256 + u32::try_from(at).expect("small")
}

fn grammar(rule: &str) -> Arc<Grammar> {
  let rule = Rule::parse(rule).expect("a rule");
  Arc::new(Grammar::new(rule, vocabulary()).expect("a grammar"))
}

fn state(rule: &str) -> State {
  let terms = Terms {
    ends: vec![END],
    min_tokens: 0,
  };
  State::new(grammar(rule), terms)
}

/// Takes tokens that may come; panics at the first that may not.
fn walk(state: &mut State, words: &[&str]) {
  for word in words {
    assert!(allows(&state.mask(), id(word)), "{word} may not come");
    state.advance(id(word));
  }
}

const OBJECT: &str = r#"{"name":"main","schema":{"type":"object","properties":{"a":{"const":1}},"required":["a"],
  "additionalProperties":false,"x-guidance":{"whitespace_flexible":false}}}"#;
const ANSWER: [&str; 5] = ["{\"", "a", "\":", "1", "}"];

fn whole(thought: &str) -> String {
  format!(r#"{{"grammars":[{OBJECT}],"thought":{thought},"isWhole":true}}"#)
}

#[test]
fn an_answer_is_complete_where_its_grammar_ends() {
  let mut state = state(&whole("null"));
  assert!(!allows(&state.mask(), END));
  walk(&mut state, &ANSWER);
  assert!(matches!(state.mask(), Mask::Complete));
}

#[test]
fn a_thought_is_free_and_does_not_end_the_answer() {
  let mut state = state(&whole(r#"{"open":"<think>","close":"</think>","inside":false}"#));
  assert!(allows(&state.mask(), id("{\"")), "it need not think");
  assert!(!allows(&state.mask(), id("text")));
  walk(&mut state, &["<think>", "text", "{\"", "text", "a"]);
  assert!(!allows(&state.mask(), END));
  walk(&mut state, &["</think>", "\n\n"]);
  assert!(!allows(&state.mask(), id("text")));
  walk(&mut state, &ANSWER);
  assert!(matches!(state.mask(), Mask::Complete));
}

#[test]
fn a_thought_that_the_prompt_opened_goes_on() {
  let mut state = state(&whole(r#"{"open":"<think>","close":"</think>","inside":true}"#));
  walk(&mut state, &["text", "</think>"]);
  walk(&mut state, &ANSWER);
  assert!(matches!(state.mask(), Mask::Complete));
}

#[test]
fn a_trigger_begins_the_grammar_and_its_end_frees_the_answer() {
  let rule = r#"{"grammars":[{"name":"main","lark":"start: \"<tool_call>\" (\"yes\" | \"no\") \"}\""}],
    "triggers":["<tool_call>"],"isWhole":false}"#;
  let mut state = state(rule);
  for _ in 0..3 {
    assert!(matches!(state.mask(), Mask::Free));
    walk(&mut state, &["text", "{\"", "<tool_call>"]);
    assert!(!allows(&state.mask(), id("text")));
    walk(&mut state, &["yes", "}"]);
  }
  // The same, spelled by bytes.
  for byte in b"<tool_call>" {
    state.advance(u32::from(*byte));
  }
  assert!(allows(&state.mask(), id("no")) && !allows(&state.mask(), id("1")));
}

#[test]
fn ends_wait_for_the_least_number_of_tokens_unless_nothing_else_can_come() {
  let rule = r#"{"grammars":[{"name":"main","regex":"(yes)+"}],"isWhole":true}"#;
  let terms = Terms {
    ends: vec![END],
    min_tokens: 3,
  };
  let mut state = State::new(grammar(rule), terms.clone());
  walk(&mut state, &["yes", "yes"]);
  assert!(!allows(&state.mask(), END));
  walk(&mut state, &["yes"]);
  assert!(allows(&state.mask(), END));
  let one = r#"{"grammars":[{"name":"main","regex":"yes"}],"isWhole":true}"#;
  let mut state = State::new(grammar(one), terms);
  walk(&mut state, &["yes"]);
  assert!(matches!(state.mask(), Mask::Complete));
}

#[test]
fn tokens_can_be_taken_back_and_tried() {
  for thought in ["null", r#"{"open":"<think>","close":"</think>","inside":false}"#] {
    let mut one = state(&whole(thought));
    if thought != "null" {
      walk(&mut one, &["<think>", "text", "</think>"]);
    }
    let ids: Vec<u32> = ANSWER.iter().map(|word| id(word)).collect();
    assert_eq!(one.validate(&[ids[0], ids[1], ids[0]]), 2);
    for kept in 0..ids.len() {
      for &id in &ids {
        one.advance(id);
      }
      assert!(matches!(one.mask(), Mask::Complete));
      one.rollback(ids.len() - kept);
      assert!(allows(&one.mask(), ids[kept]), "{kept} kept");
      one.rollback(kept);
    }
  }
}

#[test]
fn far_back_is_read_again_from_all_tokens() {
  let rule = r#"{"grammars":[{"name":"main","regex":"(yes|no)*"}],"isWhole":true}"#;
  let mut state = state(rule);
  for _ in 0..200 {
    walk(&mut state, &["yes", "no"]);
  }
  state.rollback(399);
  walk(&mut state, &["no", "yes"]);
  assert!(!allows(&state.mask(), id("text")));
}

#[test]
fn a_used_matcher_begins_anew_for_the_next_sequence() {
  let shared = grammar(&whole("null"));
  let terms = Terms {
    ends: vec![END],
    min_tokens: 0,
  };
  for length in [1, 3, 5, 2] {
    let mut state = State::new(Arc::clone(&shared), terms.clone());
    walk(&mut state, &ANSWER[..length]);
  }
}

#[test]
fn what_cannot_be_compiled_is_told_in_bounded_time() {
  let part = |kind: &str, text: serde_json::Value| {
    serde_json::json!({"grammars": [{"name": "main", kind: text}], "isWhole": true}).to_string()
  };
  let mut deep = serde_json::json!({"type": "string"});
  for _ in 0..100 {
    deep = serde_json::json!({"type": "array", "items": deep});
  }
  let brackets = "(".repeat(100_000);
  let hostile = [
    part("regex", brackets.as_str().into()),
    part("regex", "(?=a)b".into()),
    part("lark", format!("start: {brackets}").into()),
    part("lark", "start: start start".into()),
    part("lark", "start: missing".into()),
    part("schema", serde_json::json!({"type": "no-such"})),
    part("schema", serde_json::json!({"$ref": "#/$defs/missing"})),
    part("schema", serde_json::json!({"not": {"type": "string"}})),
    part("schema", serde_json::json!({"type": "string", "pattern": "("})),
    part(
      "schema",
      serde_json::json!({"type": "string", "minLength": 5, "maxLength": 1}),
    ),
    part("schema", serde_json::json!({"$ref": "http://127.0.0.1:1/schema.json"})),
  ];
  for rule in hostile {
    let begun = std::time::Instant::now();
    let said = super::check_grammar(rule.clone(), 300, 2000);
    let shown = &rule[..rule.len().min(120)];
    assert!(begun.elapsed().as_secs() < 10, "{shown}");
    assert!(said.is_some(), "{shown}");
  }
  let well = [
    part("schema", deep),
    part("schema", serde_json::json!({"type": "array", "items": {"$ref": "#"}})),
    part("regex", "(a*)*b".into()),
  ];
  for rule in well {
    assert_eq!(super::check_grammar(rule, 300, 2000), None);
  }
}
