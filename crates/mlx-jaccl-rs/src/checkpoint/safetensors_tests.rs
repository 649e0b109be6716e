//! Safetensors: pieces, joins, packed matrices, and spoiled files.

use super::test_files::{TestFolder, affine_source, all_of, read_all, repository, safetensors, source, values};
use super::{Checkpoint, Elements, HostTensor, Store, TensorSlice};
use half::{bf16, f16};
use std::fs;

fn f32s(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
  values.into_iter().flat_map(f32::to_le_bytes).collect()
}

fn counting(count: u16) -> Vec<f32> {
  (0..count).map(f32::from).collect()
}

fn small_model() -> Vec<u8> {
  let half: Vec<u8> = counting(8)
    .into_iter()
    .flat_map(|value| bf16::from_f32(value).to_le_bytes())
    .collect();
  safetensors(&[
    ("a.weight", "F32", &[3, 4], f32s(counting(12))),
    ("b.weight", "BF16", &[2, 4], half),
    ("experts.weight", "F32", &[2, 3, 2], f32s(counting(12))),
    ("norm.weight", "F32", &[4], f32s([0.5, 1.5, 2.5, 3.5])),
  ])
}

fn piece(name: &str, rows: (i64, i64), columns: (i64, i64)) -> TensorSlice {
  TensorSlice {
    row_start: rows.0,
    row_end: rows.1,
    column_start: columns.0,
    column_end: columns.1,
    ..all_of(name)
  }
}

#[test]
fn pieces_of_dense_tensors_hold_their_rows_and_columns() {
  let folder = TestFolder::new();
  folder.write("model.safetensors", &small_model());
  let store = Store::open(folder.path()).unwrap();
  let read = |kind: &str, part: TensorSlice| values(&store.read(&source(kind, vec![part])).unwrap());
  assert_eq!(
    read("matrix", piece("a.weight", (1, 3), (0, -1))),
    [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
  );
  assert_eq!(
    read("matrix", piece("a.weight", (0, -1), (1, 3))),
    [1.0, 2.0, 5.0, 6.0, 9.0, 10.0]
  );
  // Two experts of three rows are six rows.
  assert_eq!(read("matrix", piece("experts.weight", (4, 6), (1, 2))), [9.0, 11.0]);
  assert_eq!(read("vector", piece("norm.weight", (1, 3), (0, -1))), [1.5, 2.5]);
}

#[test]
fn parts_are_joined_along_rows_and_widened_where_types_differ() {
  let folder = TestFolder::new();
  folder.write("model.safetensors", &small_model());
  let store = Store::open(folder.path()).unwrap();
  let parts = vec![piece("a.weight", (2, 3), (0, -1)), all_of("b.weight")];
  let joined = store.read(&source("matrix", parts)).unwrap();
  assert!(matches!(
    joined,
    HostTensor::Dense {
      elements: Elements::F32,
      rows: 3,
      columns: 4,
      ..
    }
  ));
  assert_eq!(
    values(&joined),
    [8.0, 9.0, 10.0, 11.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
  );
  let uneven = vec![all_of("a.weight"), all_of("experts.weight")];
  let error = store.read(&source("matrix", uneven)).unwrap_err().to_string();
  assert_eq!(error, "tensors a.weight and experts.weight differ in width or format");
}

#[test]
fn small_vectors_are_read_whole_and_large_tensors_are_not() {
  let checkpoint = Checkpoint::open(&repository("fixtures/tiny-qwen3")).unwrap();
  assert_eq!(
    checkpoint
      .small_vector("model.layers.0.self_attn.k_norm.weight")
      .unwrap()
      .len(),
    64
  );
  let error = checkpoint
    .small_vector("model.embed_tokens.weight")
    .unwrap_err()
    .to_string();
  assert_eq!(
    error,
    "tensor model.embed_tokens.weight has 2097152 bytes (limit 1048576)"
  );
}

#[test]
fn a_piece_outside_its_tensor_is_refused_by_name() {
  let folder = TestFolder::new();
  folder.write("model.safetensors", &small_model());
  let store = Store::open(folder.path()).unwrap();
  for part in [
    piece("a.weight", (0, 4), (0, -1)),
    piece("a.weight", (2, 2), (0, -1)),
    piece("a.weight", (-1, 2), (0, -1)),
    piece("a.weight", (0, i64::MAX), (0, -1)),
    piece("a.weight", (0, -1), (3, 1)),
    piece("norm.weight", (0, -1), (0, -1)),
  ] {
    let name = part.name.clone();
    assert!(
      store
        .read(&source("matrix", vec![part]))
        .unwrap_err()
        .to_string()
        .contains(&name)
    );
  }
  let missing = store
    .read(&source("matrix", vec![all_of("c.weight")]))
    .unwrap_err()
    .to_string();
  assert!(missing.contains("there is no tensor c.weight"), "{missing}");
}

/// Codes of `bits` bits one after the other.
fn pack(codes: &[u32], bits: usize) -> Vec<u8> {
  let mut words = vec![0_u32; codes.len() * bits / 32];
  for (index, code) in codes.iter().enumerate() {
    for bit in 0..bits {
      words[(index * bits + bit) / 32] |= (code >> bit & 1) << ((index * bits + bit) % 32);
    }
  }
  words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn packed_matrices_of_every_width_are_cut_on_group_borders() {
  for bits in [2_u32, 3, 4, 5, 6, 8] {
    let codes: Vec<u32> = (0..4 * 64).map(|index| index * 7 % (1 << bits)).collect();
    let scales: Vec<u8> = (0..8_u8)
      .flat_map(|index| f16::from_f32(f32::from(index) + 1.0).to_le_bytes())
      .collect();
    let biases: Vec<u8> = (0..8_u8)
      .flat_map(|index| f16::from_f32(-f32::from(index)).to_le_bytes())
      .collect();
    let folder = TestFolder::new();
    let packed = pack(&codes, bits as usize);
    let bytes = safetensors(&[
      ("q.weight", "U32", &[4, 2 * bits as usize], packed),
      ("q.scales", "F16", &[4, 2], scales),
      ("q.biases", "F16", &[4, 2], biases),
    ]);
    folder.write("model.safetensors", &bytes);
    let store = Store::open(folder.path()).unwrap();
    let part = piece("q.weight", (1, 3), (32, -1));
    let read = store.read(&affine_source(vec![part], bits, 32)).unwrap();
    let expected: Vec<f32> = [1_u16, 2]
      .iter()
      .flat_map(|row| (32..64).map(move |column| (*row, column)))
      .map(|(row, column)| {
        let group = f32::from(row * 2 + 1);
        let code = u16::try_from(codes[usize::from(row * 64 + column)]).unwrap();
        (group + 1.0) * f32::from(code) - group
      })
      .collect();
    assert_eq!(values(&read), expected, "{bits} bits");
    let odd = store
      .read(&affine_source(vec![piece("q.weight", (0, -1), (16, 64))], bits, 32))
      .unwrap_err();
    assert!(odd.to_string().contains("do not fall on groups of 32"), "{odd}");
    let without = store.read(&source("matrix", vec![all_of("q.weight")])).unwrap_err();
    assert!(without.to_string().contains("q.weight has type U32"), "{without}");
    let other_group = store
      .read(&affine_source(vec![all_of("q.weight")], bits, 64))
      .unwrap_err();
    assert!(
      other_group.to_string().contains("does not fit q.scales"),
      "{other_group}"
    );
  }
}

#[test]
fn an_index_names_the_files_and_is_held_to_them() {
  let folder = TestFolder::new();
  folder.write(
    "model-1.safetensors",
    &safetensors(&[("a", "F32", &[1, 1], f32s([1.0]))]),
  );
  folder.write(
    "model-2.safetensors",
    &safetensors(&[("b", "F32", &[1, 1], f32s([2.0]))]),
  );
  folder.write("other.safetensors", b"not of the model");
  assert_eq!(Store::open(folder.path()).unwrap().tensors().len(), 2);
  let index = |text: &str| {
    folder.write("model.safetensors.index.json", text.as_bytes());
    Store::open(folder.path())
      .map(|store| store.tensors().len())
      .map_err(|error| error.to_string())
  };
  assert_eq!(index(r#"{"weight_map": {"b": "model-2.safetensors"}}"#), Ok(1));
  let moved = index(r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}"#).unwrap_err();
  assert_eq!(moved, "tensor b is not in model-1.safetensors, where the index has it");
  let outside = index(r#"{"weight_map": {"a": "../model-1.safetensors"}}"#).unwrap_err();
  assert!(outside.contains("no safetensors file of the folder"), "{outside}");
  assert!(
    index(r#"{"weight_map": {"a": "model-9.safetensors"}}"#)
      .unwrap_err()
      .contains("model-9.safetensors")
  );
  assert!(index("{").unwrap_err().contains("not a valid index"));
}

#[test]
fn headers_that_lie_are_refused() {
  let folder = TestFolder::new();
  let refused = |header: &str, expected: &str| {
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat();
    let path = folder.write("model.safetensors", &bytes);
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains(expected), "{header}: {error}");
  };
  refused(
    r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,20]}}"#,
    "tensor a lies at 0..20",
  );
  refused(
    r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[8,4]}}"#,
    "tensor a lies at 8..4",
  );
  refused(
    r#"{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}"#,
    "does not fill its 16 bytes",
  );
  refused(
    r#"{"a":{"dtype":"F99","shape":[4],"data_offsets":[0,16]}}"#,
    "unknown type F99",
  );
  refused(
    r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#,
    "cannot have shape",
  );
  refused(
    r#"{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}"#,
    "header is not valid",
  );
  refused(
    r#"{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},"b":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}}"#,
    "tensors a and b share bytes",
  );
  refused(
    r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
    "tensor a is there twice",
  );
  for length in [u64::MAX, 200_000_000, 25] {
    let path = folder.write("model.safetensors", &[&length.to_le_bytes()[..], &[b' '; 16]].concat());
    assert!(
      Store::open(&path)
        .unwrap_err()
        .to_string()
        .contains("the header claims")
    );
  }
}

#[test]
fn every_cut_is_noticed_and_no_spoiled_byte_panics() {
  let folder = TestFolder::new();
  let whole = small_model();
  for length in 0..whole.len() {
    let path = folder.write("model.safetensors", &whole[..length]);
    assert!(Store::open(&path).is_err(), "cut at {length}");
  }
  let header_end = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
  for at in 0..header_end {
    for value in [0, b'9', b'"', b'{', 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
      let mut spoiled = whole.clone();
      spoiled[at] = value;
      let _ = read_all(&folder.write("model.safetensors", &spoiled));
    }
  }
}

#[test]
fn the_bundled_model_opens_and_its_pieces_are_the_file_s_bytes() {
  let store = Store::open(&repository("fixtures/tiny-qwen3")).unwrap();
  assert_eq!(
    store.tensors().iter().map(|tensor| tensor.size_bytes).sum::<u64>(),
    14_690_816
  );
  let name = "model.layers.0.mlp.down_proj.weight";
  let tensor = store.find(name).unwrap();
  let file = fs::read(repository("fixtures/tiny-qwen3/model.safetensors")).unwrap();
  let start = usize::try_from(tensor.offset).unwrap();
  let HostTensor::Dense {
    data,
    elements,
    rows,
    columns,
  } = store
    .read(&source("matrix", vec![piece(name, (3, 5), (256, 512))]))
    .unwrap()
  else {
    panic!("dense");
  };
  assert_eq!((elements, rows, columns), (Elements::BF16, 2, 256));
  assert_eq!(data[512..], file[start + (4 * 512 + 256) * 2..][..512]);
}
