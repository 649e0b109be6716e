//! Looks for texts in a stream of tokens. Knows no grammar.

/// A text that was found.
pub struct Found {
  /// Its place among those looked for.
  pub which: usize,
  /// The tokens it begins in, and the bytes of the first of them that stand before it.
  pub tokens: Vec<u32>,
  pub before: usize,
  /// What follows it in the last token.
  pub rest: Vec<u8>,
}

/// The end of the text so far in which one may begin, by tokens.
#[derive(Clone, Default)]
pub struct Watch {
  text: Vec<u8>,
  tokens: Vec<(u32, usize)>,
}

impl Watch {
  /// Takes the next token. The text that ends first counts, of those that end together the longest.
  pub fn push(&mut self, id: u32, bytes: &[u8], wanted: &[&[u8]]) -> Option<Found> {
    self.tokens.push((id, bytes.len()));
    let from = self.text.len();
    self.text.extend_from_slice(bytes);
    for end in from + 1..=self.text.len() {
      let so_far = &self.text[..end];
      let ending = wanted.iter().enumerate().filter(|(_, text)| so_far.ends_with(text));
      let Some((which, text)) = ending.max_by_key(|(_, text)| text.len()) else {
        continue;
      };
      return Some(self.found(which, end - text.len(), end));
    }
    let longest = wanted.iter().map(|text| text.len()).max().unwrap_or(0);
    while let Some(&(_, length)) = self.tokens.first() {
      if self.text.len() - length < longest {
        break;
      }
      self.tokens.remove(0);
      self.text.drain(..length);
    }
    None
  }

  fn found(&mut self, which: usize, start: usize, end: usize) -> Found {
    let (mut at, mut before, mut tokens) = (0, 0, Vec::new());
    for &(id, length) in &self.tokens {
      if at + length > start {
        if tokens.is_empty() {
          before = start - at;
        }
        tokens.push(id);
      }
      at += length;
    }
    let rest = self.text[end..].to_vec();
    *self = Self::default();
    Found {
      which,
      tokens,
      before,
      rest,
    }
  }
}

#[cfg(test)]
mod tests {
  use super::Watch;

  fn run(pieces: &[&str], wanted: &[&str]) -> Option<(usize, Vec<u32>, usize, String)> {
    let wanted: Vec<&[u8]> = wanted.iter().map(|text| text.as_bytes()).collect();
    let mut watch = Watch::default();
    for (id, piece) in (0_u32..).zip(pieces) {
      if let Some(found) = watch.push(id, piece.as_bytes(), &wanted) {
        let rest = String::from_utf8(found.rest).expect("text");
        return Some((found.which, found.tokens, found.before, rest));
      }
    }
    None
  }

  #[test]
  fn a_text_is_found_across_tokens() {
    let found = run(&["aaa", "b</", "th", "ink>\n{"], &["<x>", "</think>"]);
    assert_eq!(found, Some((1, vec![1, 2, 3], 1, "\n{".to_owned())));
    assert_eq!(run(&["a"; 99], &["</think>"]), None);
    assert_eq!(
      run(&["<tool", "_call>"], &["<tool_call>"]),
      Some((0, vec![0, 1], 0, String::new()))
    );
  }
}
