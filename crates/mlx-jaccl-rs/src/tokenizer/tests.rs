//! Tokenizers of the bundled model, of a GGUF file, and of vocabularies made here.

use super::TextCodec;
use crate::checkpoint::Store;
use crate::checkpoint::test_files::{Gguf, TestFolder, repository};
use serde_json::{Value, json};
use std::fs;

const TEXTS: [&str; 8] = [
  "What is the capital of France?",
  "",
  " leading and trailing  ",
  "fn main() {\n\tprintln!(\"{}\", 12345);\n}\n\n\n",
  "naïve café, Straße, Ω≈ç√∫, 東京, नमस्ते",
  "🤖👩‍👩‍👧‍👦\u{0}\u{7f}",
  "I'll we'RE don't 3.14159 1000000",
  "<|im_start|>user\nhi<|im_end|><think></think><s></s><0x0A>",
];

/// What must hold for every tokenizer that keeps its texts as they are.
fn check_round_trips(codec: &TextCodec) {
  for text in TEXTS {
    for parse_special in [false, true] {
      let ids = codec.encode(text, false, parse_special).unwrap();
      assert_eq!(codec.decode(&ids, false).unwrap(), text);
      let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|id| codec.table().of_token(*id as usize))
        .copied()
        .collect();
      assert_eq!(String::from_utf8(bytes).unwrap(), text);
      assert!(ids.iter().all(|id| *id < codec.size()));
    }
  }
}

fn tiny() -> TextCodec {
  TextCodec::from_file(&repository("fixtures/tiny-qwen3/tokenizer.json")).unwrap()
}

#[test]
fn texts_come_back_from_their_ids_and_from_their_tokens_bytes() {
  check_round_trips(&tiny());
}

#[test]
fn markers_are_text_unless_they_are_asked_for() {
  let codec = tiny();
  let marked = "<|im_start|>user\n<think>x</think><tool_call><|im_end|>";
  let added: Vec<u32> = (4080..codec.size()).collect();
  let plain = codec.encode(marked, true, false).unwrap();
  assert!(plain.iter().all(|id| !added.contains(id)), "{plain:?}");
  let special = codec.encode(marked, true, true).unwrap();
  let ids = |tokens: &[&str]| {
    tokens
      .iter()
      .map(|token| codec.token_to_id(token).unwrap())
      .collect::<Vec<_>>()
  };
  let found: Vec<u32> = special.iter().copied().filter(|id| added.contains(id)).collect();
  assert_eq!(
    found,
    ids(&["<|im_start|>", "<think>", "</think>", "<tool_call>", "<|im_end|>"])
  );
  assert_eq!(
    codec.decode(&ids(&["<|im_start|>", "<think>"]), true).unwrap(),
    "<think>"
  );
  assert_eq!(codec.special_ids()[..3], [4080, 4081, 4082]);
  assert_eq!(codec.id_to_token(4082).as_deref(), Some("<|im_end|>"));
}

#[test]
fn the_table_holds_every_byte_alone_and_nothing_behind_the_vocabulary() {
  let codec = tiny();
  assert_eq!(codec.size(), 4096);
  assert_eq!(codec.table().offsets.len(), 4097);
  for byte in 0..=u8::MAX {
    assert!((0..4080).any(|id| codec.table().of_token(id) == [byte]), "byte {byte}");
  }
  assert!(codec.table().of_token(4096).is_empty());
  assert!(codec.table().of_token(usize::MAX - 1).is_empty());
  assert!(codec.decode(&[u32::MAX], false).unwrap().is_empty());
}

#[test]
fn the_prompts_of_the_golden_runs_come_back() {
  let codec = tiny();
  let golden: Value =
    serde_json::from_slice(&fs::read(repository("fixtures/tiny-qwen3/golden.json")).unwrap()).unwrap();
  let mut texts = Vec::new();
  collect_texts(&golden, &mut texts);
  assert!(texts.len() > 20);
  for text in texts {
    let ids = codec.encode(text, false, true).unwrap();
    assert_eq!(codec.decode(&ids, false).unwrap(), *text);
  }
}

fn collect_texts<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
  match value {
    Value::String(text) => into.push(text),
    Value::Array(items) => items.iter().for_each(|item| collect_texts(item, into)),
    Value::Object(map) => map.values().for_each(|item| collect_texts(item, into)),
    _ => {}
  }
}

/// A tokenizer.json with the marker `<s>` inside the vocabulary, and merges that lead to it.
fn with_reachable_marker(change: impl FnOnce(&mut Value)) -> TextCodec {
  let added = |id: u32, content: &str, special: bool| {
    json!({ "id": id, "content": content, "special": special, "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false })
  };
  let mut json = json!({
    "version": "1.0",
    "added_tokens": [added(5, "<s>", true), added(7, "aa", false), added(8, "  ", false)],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": { "type": "Fuse" },
    "truncation": { "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0 },
    "model": {
      "type": "BPE",
      "vocab": { "<": 0, "s": 1, ">": 2, "<s": 3, "a": 4, "<s>": 5, " ": 6 },
      "merges": [["<", "s"], ["<s", ">"]],
    },
  });
  change(&mut json);
  let folder = TestFolder::new();
  TextCodec::from_file(&folder.write("tokenizer.json", json.to_string().as_bytes())).unwrap()
}

#[test]
fn no_merge_makes_a_marker_of_text() {
  for ignore_merges in [false, true] {
    let codec = with_reachable_marker(|json| json["model"]["ignore_merges"] = ignore_merges.into());
    assert_eq!(codec.encode("<s>", false, true).unwrap(), [5]);
    assert_eq!(codec.encode("<s>", false, false).unwrap(), [3, 2]);
    assert_eq!(codec.encode("aaa", false, true).unwrap(), [7, 4]);
    assert_eq!(codec.encode("aaa", false, false).unwrap(), [4, 4, 4]);
  }
}

#[test]
fn runs_of_blanks_keep_their_tokens_and_long_texts_their_ends() {
  let codec = with_reachable_marker(|_| ());
  assert_eq!(codec.encode("a  a a", false, false).unwrap(), [4, 8, 4, 6, 4]);
  assert_eq!(codec.encode("aaaaaaaaa", false, false).unwrap().len(), 9);
}

/// Llama 2's kind: pieces with scores, byte tokens, `▁` for a space.
fn sentence_piece() -> Gguf {
  let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
  let mut types = vec![2, 3, 3];
  tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
  types.resize(tokens.len(), 6);
  // Later pieces have lower scores: "he" is joined before "el".
  for piece in [
    "he", "el", "ll", "hell", "hello", "▁hello", "<s", "▁", "h", "e", "l", "o", "<", "s", ">", "/",
  ] {
    tokens.push(piece.to_owned());
    types.push(1);
  }
  tokens.push("[INST]".to_owned());
  types.push(4);
  let scores: Vec<f32> = (0..u16::try_from(tokens.len()).unwrap())
    .map(|id| 259.0 - f32::from(id))
    .collect();
  Gguf::default()
    .text("tokenizer.ggml.model", "llama")
    .texts("tokenizer.ggml.tokens", &tokens)
    .floats("tokenizer.ggml.scores", &scores)
    .integers("tokenizer.ggml.token_type", &types)
    .unsigned("tokenizer.ggml.bos_token_id", 1)
    .unsigned("tokenizer.ggml.eos_token_id", 2)
}

fn codec_of(gguf: &Gguf) -> Result<TextCodec, String> {
  let folder = TestFolder::new();
  let store = Store::open(&folder.write("model.gguf", &gguf.bytes())).unwrap();
  TextCodec::from_gguf(store.metadata()).map_err(|error| error.to_string())
}

#[test]
fn sentence_pieces_are_joined_by_score_with_bytes_for_the_rest() {
  let codec = codec_of(&sentence_piece()).unwrap();
  let id = |token: &str| codec.token_to_id(token).unwrap();
  assert_eq!(codec.encode("hello", true, false).unwrap(), [1, id("▁hello")]);
  assert_eq!(codec.encode("hel", false, false).unwrap(), [id("▁"), id("he"), id("l")]);
  assert_eq!(
    codec.encode("oé", false, false).unwrap(),
    [id("▁"), id("o"), id("<0xC3>"), id("<0xA9>")]
  );
  let marked = codec.encode("<s>[INST]", false, false).unwrap();
  assert!(
    !marked.contains(&1) && !marked.contains(&id("[INST]")) && !marked.contains(&0),
    "{marked:?}"
  );
  assert_eq!(codec.decode(&marked, false).unwrap(), "<s>[INST]");
  assert_eq!(
    codec.encode("[INST]hello", false, true).unwrap(),
    [id("[INST]"), id("▁hello")]
  );
  // A byte token that is typed is text.
  assert!(!codec.encode("<0x0A>", false, true).unwrap().contains(&id("<0x0A>")));
  assert_eq!(codec.table().of_token(id("▁hello") as usize), b" hello");
  assert_eq!(codec.table().of_token(id("<0xC3>") as usize), [0xc3]);
  assert_eq!(codec.table().of_token(1), b"<s>");
  for text in TEXTS {
    let ids = codec.encode(text, false, false).unwrap();
    assert_eq!(codec.decode(&ids, false).unwrap(), text);
  }
}

#[test]
fn flags_of_the_file_decide_what_stands_around_a_text() {
  let around = |gguf: &Gguf| codec_of(gguf).unwrap().encode("hello", true, false).unwrap().len();
  assert_eq!(around(&sentence_piece()), 2);
  assert_eq!(
    around(&sentence_piece().truth("tokenizer.ggml.add_bos_token", false)),
    1
  );
  assert_eq!(around(&sentence_piece().truth("tokenizer.ggml.add_eos_token", true)), 3);
  // Without the space before it, "hello" is another piece.
  let bare = codec_of(&sentence_piece().truth("tokenizer.ggml.add_space_prefix", false)).unwrap();
  assert_eq!(
    bare.encode("hello", false, false).unwrap(),
    [bare.token_to_id("hello").unwrap()]
  );
}

#[test]
fn metadata_that_is_no_tokenizer_is_refused_in_a_sentence() {
  let refused = |gguf: Gguf, expected: &str| {
    let error = codec_of(&gguf).err().unwrap();
    assert!(error.contains(expected), "{error}");
  };
  let tokens = ["a".to_owned(), "b".to_owned()];
  let with_tokens = |model: &str| {
    Gguf::default()
      .text("tokenizer.ggml.model", model)
      .texts("tokenizer.ggml.tokens", &tokens)
  };
  refused(Gguf::default(), "tokenizer.ggml.model is missing");
  refused(
    Gguf::default().text("tokenizer.ggml.model", "gpt2"),
    "tokenizer.ggml.tokens is missing",
  );
  refused(with_tokens("bert"), "the tokenizer bert is not supported");
  refused(with_tokens("gpt2"), "tokenizer.ggml.merges is missing");
  refused(
    with_tokens("gpt2").text("tokenizer.ggml.pre", "odd"),
    "the pre-tokenizer odd is not supported",
  );
  refused(
    with_tokens("gpt2").texts("tokenizer.ggml.merges", &["a b".to_owned()]),
    "the merge a b joins no tokens",
  );
  refused(
    with_tokens("llama").floats("tokenizer.ggml.scores", &[1.0]),
    "one score for each of 2 tokens",
  );
  refused(
    with_tokens("llama").integers("tokenizer.ggml.token_type", &[1]),
    "does not fit the 2 tokens",
  );
  let far = with_tokens("llama")
    .floats("tokenizer.ggml.scores", &[1.0, 2.0])
    .unsigned("tokenizer.ggml.bos_token_id", 9);
  refused(far, "tokenizer.ggml.bos_token_id is 9, but there are 2 tokens");
}

#[test]
fn every_named_pre_tokenizer_builds() {
  let alphabet: Vec<String> = super::token_bytes::alphabet_for_tests();
  for name in [
    "default",
    "gpt-2",
    "smollm",
    "falcon",
    "llama-bpe",
    "dbrx",
    "qwen2",
    "qwen35",
    "tekken",
    "gpt-4o",
    "deepseek-v3",
  ] {
    let gguf = Gguf::default()
      .text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", name)
      .texts("tokenizer.ggml.tokens", &alphabet)
      .texts("tokenizer.ggml.merges", &[]);
    check_round_trips(&codec_of(&gguf).unwrap());
  }
}

#[test]
#[ignore = "needs models/SmolLM2-135M-Instruct.Q4_1.gguf (make models)"]
fn the_starter_model_s_tokenizer_is_that_of_its_makers() {
  let store = Store::open(&repository("models/SmolLM2-135M-Instruct.Q4_1.gguf")).unwrap();
  let codec = TextCodec::from_gguf(store.metadata()).unwrap();
  assert_eq!(codec.size(), 49_152);
  check_round_trips(&codec);
  assert_eq!(
    codec.encode("What is the capital of France?", true, false).unwrap(),
    [1780, 314, 260, 3575, 282, 4649, 47]
  );
  assert_eq!(codec.encode("<|im_start|>", false, true).unwrap(), [1]);
  assert!(!codec.encode("<|im_start|>", false, false).unwrap().contains(&1));
}
