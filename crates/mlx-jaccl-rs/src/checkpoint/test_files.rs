//! Tiny model files for tests, written byte by byte so that each byte can be spoiled.

use super::{HostTensor, Store, TensorSlice, WeightQuantization, WeightSource};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that goes away with its value.
pub struct TestFolder(PathBuf);

impl TestFolder {
  pub fn new() -> Self {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("mlx-jaccl-checkpoint-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    Self(path)
  }

  pub fn path(&self) -> &Path {
    &self.0
  }

  pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
    let path = self.0.join(name);
    fs::write(&path, bytes).unwrap();
    path
  }
}

impl Drop for TestFolder {
  fn drop(&mut self) {
    let _ = fs::remove_dir_all(&self.0);
  }
}

pub fn repository(path: &str) -> PathBuf {
  Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Tensors are (name, dtype, shape, bytes).
pub fn safetensors(tensors: &[(&str, &str, &[usize], Vec<u8>)]) -> Vec<u8> {
  let mut header = serde_json::Map::new();
  let mut data = Vec::new();
  for (name, dtype, shape, bytes) in tensors {
    let end = data.len() + bytes.len();
    let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [data.len(), end] });
    header.insert((*name).to_owned(), entry);
    data.extend_from_slice(bytes);
  }
  let json = serde_json::Value::Object(header).to_string();
  [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &data].concat()
}

/// Writes a GGUF header and its data.
#[derive(Default)]
pub struct Gguf {
  pairs: Vec<u8>,
  pair_count: u64,
  tensors: Vec<u8>,
  tensor_count: u64,
  data: Vec<u8>,
}

impl Gguf {
  fn string(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as u64).to_le_bytes());
    into.extend(text.as_bytes());
  }

  /// `value` is the value as the file has it, after its type.
  pub fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
    Self::string(&mut self.pairs, key);
    self.pairs.extend(kind.to_le_bytes());
    self.pairs.extend(value);
    self.pair_count += 1;
    self
  }

  pub fn text(self, key: &str, text: &str) -> Self {
    let mut value = Vec::new();
    Self::string(&mut value, text);
    self.pair(key, 8, &value)
  }

  pub fn unsigned(self, key: &str, number: u32) -> Self {
    self.pair(key, 4, &number.to_le_bytes())
  }

  pub fn truth(self, key: &str, value: bool) -> Self {
    self.pair(key, 7, &[u8::from(value)])
  }

  pub fn texts(self, key: &str, texts: &[String]) -> Self {
    let mut value = [&8_u32.to_le_bytes()[..], &(texts.len() as u64).to_le_bytes()].concat();
    for text in texts {
      Self::string(&mut value, text);
    }
    self.pair(key, 9, &value)
  }

  pub fn floats(self, key: &str, numbers: &[f32]) -> Self {
    let mut value = [&6_u32.to_le_bytes()[..], &(numbers.len() as u64).to_le_bytes()].concat();
    value.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    self.pair(key, 9, &value)
  }

  pub fn integers(self, key: &str, numbers: &[i32]) -> Self {
    let mut value = [&5_u32.to_le_bytes()[..], &(numbers.len() as u64).to_le_bytes()].concat();
    value.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    self.pair(key, 9, &value)
  }

  /// `shape` is written as GGUF has it: columns first.
  pub fn tensor(mut self, name: &str, kind: u32, shape: &[u64], bytes: &[u8]) -> Self {
    self.data.resize(self.data.len().next_multiple_of(32), 0);
    Self::string(&mut self.tensors, name);
    self.tensors.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
    self.tensors.extend(shape.iter().flat_map(|axis| axis.to_le_bytes()));
    self.tensors.extend(kind.to_le_bytes());
    self.tensors.extend((self.data.len() as u64).to_le_bytes());
    self.tensor_count += 1;
    self.data.extend(bytes);
    self
  }

  pub fn bytes(&self) -> Vec<u8> {
    let mut bytes = [&b"GGUF"[..], &3_u32.to_le_bytes()].concat();
    bytes.extend(self.tensor_count.to_le_bytes());
    bytes.extend(self.pair_count.to_le_bytes());
    bytes.extend(&self.pairs);
    bytes.extend(&self.tensors);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(&self.data);
    bytes
  }
}

pub fn all_of(name: &str) -> TensorSlice {
  TensorSlice {
    name: name.to_owned(),
    row_start: 0,
    row_end: -1,
    column_start: 0,
    column_end: -1,
  }
}

pub fn source(kind: &str, parts: Vec<TensorSlice>) -> WeightSource {
  WeightSource {
    parts,
    kind: kind.to_owned(),
    quantization: None,
  }
}

pub fn affine_source(parts: Vec<TensorSlice>, bits: u32, group_size: u32) -> WeightSource {
  let quantization = Some(WeightQuantization {
    bits,
    group_size,
    mode: "affine".to_owned(),
  });
  WeightSource {
    parts,
    kind: "matrix".to_owned(),
    quantization,
  }
}

/// Opens and reads everything that can be asked for: what must hold for any bytes is that this returns.
pub fn read_all(path: &Path) -> Result<usize, crate::error::Error> {
  let store = Store::open(path)?;
  store.metadata().json();
  let mut bytes = 0;
  for tensor in store.tensors() {
    for kind in ["matrix", "vector"] {
      bytes += store
        .read(&source(kind, vec![all_of(&tensor.name)]))
        .map_or(0, |read| read.size_bytes());
    }
    let packed = store.read(&affine_source(vec![all_of(&tensor.name)], 4, 32));
    bytes += packed.map_or(0, |read| read.size_bytes());
  }
  Ok(bytes)
}

/// The values of a host tensor, row by row.
pub fn values(tensor: &HostTensor) -> Vec<f32> {
  match tensor {
    HostTensor::Dense { data, elements, .. } => super::dense::floats(data, *elements).collect(),
    HostTensor::Vector { values } => values.clone(),
    HostTensor::Mxfp4 { words, scales, .. } => {
      let magnitudes = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
      (0..words.len() * 8)
        .map(|index| {
          let code = (words[index / 8] >> (4 * (index % 8))) as usize;
          let sign = if code & 8 == 0 { 1.0 } else { -1.0 };
          sign * magnitudes[code & 7] * 2_f32.powi(i32::from(scales[index / 32]) - 127)
        })
        .collect()
    }
    HostTensor::Affine {
      words,
      scales,
      biases,
      scale_elements,
      columns,
      bits,
      group,
      ..
    } => {
      let scales: Vec<f32> = super::dense::floats(scales, *scale_elements).collect();
      let biases: Vec<f32> = super::dense::floats(biases, *scale_elements).collect();
      let bits = *bits as usize;
      let code = |index: usize| {
        let at = index * bits;
        let pair = u64::from(words[at / 32]) | u64::from(words.get(at / 32 + 1).copied().unwrap_or(0)) << 32;
        u16::try_from(pair >> (at % 32) & ((1 << bits) - 1)).unwrap()
      };
      assert_eq!(columns % group, 0);
      (0..words.len() * 32 / bits)
        .map(|index| scales[index / group] * f32::from(code(index)) + biases[index / group])
        .collect()
    }
  }
}
