//! How text is cut into words before the merges of a byte-level BPE, by the name in `tokenizer.ggml.pre`.
//! The patterns are those of the models' own tokenizers; names as in llama.cpp's `llama-vocab.cpp`.

use serde_json::{Value, json};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

/// What a name of `tokenizer.ggml.pre` stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct PreTokenizer {
  /// Cut one after the other; then bytes.
  patterns: &'static [&'static str],
  /// Composed characters before all else.
  pub nfc: bool,
  /// A word that is a token as a whole is that token, whatever the merges say.
  pub ignore_merges: bool,
  /// Whether a text starts with the token of beginning, if the file does not say.
  pub adds_bos: bool,
}

const PLAIN: PreTokenizer = PreTokenizer {
  patterns: &[GPT2],
  nfc: false,
  ignore_merges: false,
  adds_bos: false,
};

impl PreTokenizer {
  /// None for a name that is not known.
  pub fn named(name: &str) -> Option<Self> {
    Some(match name {
      "default" => Self {
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        ..PLAIN
      },
      "gpt-2" | "gpt2" | "phi-2" | "mpt" | "olmo" | "jais" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de"
      | "a.x-4.0" | "mellum" | "modern-bert" => PLAIN,
      "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => Self {
        patterns: &[r"\p{N}", GPT2],
        ..PLAIN
      },
      "falcon" => Self {
        patterns: &[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
        ..PLAIN
      },
      "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => Self {
        patterns: &[LLAMA3],
        ignore_merges: true,
        adds_bos: true,
        ..PLAIN
      },
      "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" => Self {
        patterns: &[LLAMA3],
        ..PLAIN
      },
      "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "megrez" => Self {
        patterns: &[QWEN2],
        nfc: true,
        ..PLAIN
      },
      "qwen35" => Self {
        patterns: &[QWEN35],
        nfc: true,
        ..PLAIN
      },
      "tekken" => Self {
        patterns: &[TEKKEN],
        ignore_merges: true,
        adds_bos: true,
        ..PLAIN
      },
      "gpt-4o" | "llama4" | "o200k" => Self {
        patterns: &[O200K],
        ..PLAIN
      },
      "deepseek-v3" => Self {
        patterns: &[r"\p{N}{1,3}", "[一-龥\u{3040}-ゟ゠-ヿ]+", DEEPSEEK3],
        ..PLAIN
      },
      _ => return None,
    })
  }

  /// As tokenizer.json has it.
  pub fn json(&self) -> Value {
    let split =
      |pattern| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
    let mut steps: Vec<Value> = self.patterns.iter().map(split).collect();
    steps.push(json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false }));
    json!({ "type": "Sequence", "pretokenizers": steps })
  }
}
