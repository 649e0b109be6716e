//! How the elements of a tensor lie in a file: names and block sizes of the types of safetensors and GGUF.
//! GGUF numbers and sizes: ggml's `ggml.h` and gguf-py's `constants.py`.

/// `block` elements take `bytes` bytes; `bytes` is 0 for a type whose size is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementType {
  pub name: &'static str,
  pub block: usize,
  pub bytes: usize,
}

const fn element(name: &'static str, block: usize, bytes: usize) -> ElementType {
  ElementType { name, block, bytes }
}

/// The types by the names of the safetensors header.
const SAFETENSORS: [ElementType; 17] = [
  element("F32", 1, 4),
  element("F16", 1, 2),
  element("BF16", 1, 2),
  element("U32", 1, 4),
  element("U8", 1, 1),
  element("F64", 1, 8),
  element("I64", 1, 8),
  element("I32", 1, 4),
  element("I16", 1, 2),
  element("I8", 1, 1),
  element("U64", 1, 8),
  element("U16", 1, 2),
  element("BOOL", 1, 1),
  element("C64", 1, 8),
  element("F8_E4M3", 1, 1),
  element("F8_E5M2", 1, 1),
  element("F8_E8M0", 1, 1),
];

/// The types by their number in a GGUF file.
const GGUF: [(u32, ElementType); 32] = [
  (0, element("F32", 1, 4)),
  (1, element("F16", 1, 2)),
  (2, element("Q4_0", 32, 18)),
  (3, element("Q4_1", 32, 20)),
  (6, element("Q5_0", 32, 22)),
  (7, element("Q5_1", 32, 24)),
  (8, element("Q8_0", 32, 34)),
  (9, element("Q8_1", 32, 36)),
  (10, element("Q2_K", 256, 84)),
  (11, element("Q3_K", 256, 110)),
  (12, element("Q4_K", 256, 144)),
  (13, element("Q5_K", 256, 176)),
  (14, element("Q6_K", 256, 210)),
  (15, element("Q8_K", 256, 292)),
  (16, element("IQ2_XXS", 256, 66)),
  (17, element("IQ2_XS", 256, 74)),
  (18, element("IQ3_XXS", 256, 98)),
  (19, element("IQ1_S", 256, 50)),
  (20, element("IQ4_NL", 32, 18)),
  (21, element("IQ3_S", 256, 110)),
  (22, element("IQ2_S", 256, 82)),
  (23, element("IQ4_XS", 256, 136)),
  (24, element("I8", 1, 1)),
  (25, element("I16", 1, 2)),
  (26, element("I32", 1, 4)),
  (27, element("I64", 1, 8)),
  (28, element("F64", 1, 8)),
  (29, element("IQ1_M", 256, 56)),
  (30, element("BF16", 1, 2)),
  (34, element("TQ1_0", 256, 54)),
  (35, element("TQ2_0", 256, 66)),
  (39, element("MXFP4", 32, 17)),
];

impl ElementType {
  pub fn of_safetensors(name: &str) -> Option<Self> {
    SAFETENSORS.into_iter().find(|known| known.name == name)
  }

  pub fn of_gguf(number: u32) -> Option<Self> {
    GGUF
      .into_iter()
      .find(|(known, _)| *known == number)
      .map(|(_, element)| element)
  }

  /// Bytes of `elements` elements in rows of `columns`; None when a row is no whole number of blocks, or on overflow.
  pub fn size_bytes(self, elements: u64, columns: u64) -> Option<u64> {
    let block = self.block as u64;
    if !columns.is_multiple_of(block) || !elements.is_multiple_of(block) {
      return None;
    }
    (elements / block).checked_mul(self.bytes as u64)
  }
}
