//! MLX's packing of codes into 32-bit words: the codes of a row one after the other from the lowest bit.

/// Little-endian words. The length is a multiple of four.
pub fn of_bytes(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
  bytes
    .chunks_exact(4)
    .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

/// The same codes in wider fields. A row holds a multiple of 32 codes, so it is a whole number of words at any width.
pub fn widen(words: &[u32], from_bits: u32, to_bits: u32) -> Vec<u32> {
  let mut wide = Vec::with_capacity(words.len() * to_bits as usize / from_bits as usize);
  let (mut source, mut source_bits) = (0_u64, 0);
  let (mut target, mut target_bits) = (0_u64, 0);
  for word in words {
    source |= u64::from(*word) << source_bits;
    source_bits += 32;
    while source_bits >= from_bits {
      target |= (source & ((1 << from_bits) - 1)) << target_bits;
      source >>= from_bits;
      source_bits -= from_bits;
      target_bits += to_bits;
      if target_bits >= 32 {
        wide.push(low_word(target));
        target >>= 32;
        target_bits -= 32;
      }
    }
  }
  wide
}

#[expect(
  clippy::cast_possible_truncation,
  reason = "the upper half stays behind for the next word"
)]
fn low_word(bits: u64) -> u32 {
  bits as u32
}
