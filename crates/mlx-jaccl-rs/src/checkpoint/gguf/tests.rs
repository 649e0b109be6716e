//! GGUF: conversion of blocks, header checks, and spoiled files.

use super::Value;
use crate::checkpoint::test_files::{Gguf, TestFolder, all_of, read_all, source, values};
use crate::checkpoint::{Elements, HostTensor, Store, TensorSlice};
use half::f16;

fn half(value: f32) -> [u8; 2] {
  f16::from_f32(value).to_le_bytes()
}

/// Code of element `index` of a block.
fn code(index: usize) -> u8 {
  u8::try_from((index * 5 + 3) % 16).unwrap()
}

fn nibbles() -> Vec<u8> {
  (0..16).map(|index| code(index) | code(index + 16) << 4).collect()
}

fn q4_0(scale: f32) -> Vec<u8> {
  [&half(scale)[..], &nibbles()].concat()
}

fn q4_1(scale: f32, bias: f32) -> Vec<u8> {
  [&half(scale)[..], &half(bias), &nibbles()].concat()
}

/// Codes -128, -120 ... 120.
fn q8_0(scale: f32) -> Vec<u8> {
  [
    &half(scale)[..],
    &(0..32).map(|index: u8| (index * 8) ^ 0x80).collect::<Vec<_>>(),
  ]
  .concat()
}

fn small_model() -> Gguf {
  let matrix = [q4_1(0.5, -2.0), q4_1(0.25, 1.0), q4_1(2.0, 0.0), q4_1(1.0, -8.0)].concat();
  Gguf::default()
    .text("general.architecture", "llama")
    .unsigned("llama.block_count", 2)
    .truth("tokenizer.ggml.add_bos_token", true)
    .texts("tokenizer.ggml.tokens", &["a".to_owned(), "b".to_owned()])
    .tensor("one.weight", 3, &[64, 2], &matrix)
    .tensor("zero.weight", 2, &[32, 1], &q4_0(0.5))
    .tensor("eight.weight", 8, &[32, 1], &q8_0(0.125))
    .tensor("four.weight", 39, &[32, 1], &[&[128][..], &nibbles()].concat())
    .tensor("k.weight", 12, &[256, 1], &[0; 144])
    .tensor(
      "norm.weight",
      0,
      &[2],
      &[1.0_f32.to_le_bytes(), 2.0_f32.to_le_bytes()].concat(),
    )
}

fn open(folder: &TestFolder, bytes: &[u8]) -> Result<Store, String> {
  Store::open(&folder.write("model.gguf", bytes)).map_err(|error| error.to_string())
}

#[test]
fn blocks_become_the_same_numbers() {
  let folder = TestFolder::new();
  let store = open(&folder, &small_model().bytes()).unwrap();
  let read = |name: &str| store.read(&source("matrix", vec![all_of(name)])).unwrap();
  let codes: Vec<f32> = (0..32).map(|index| f32::from(code(index))).collect();
  let scaled = |scale: f32, bias: f32| codes.iter().map(move |code| scale * code + bias).collect::<Vec<_>>();

  let one = read("one.weight");
  assert!(matches!(
    one,
    HostTensor::Affine {
      rows: 2,
      columns: 64,
      bits: 4,
      group: 32,
      scale_elements: Elements::F16,
      ..
    }
  ));
  assert_eq!(
    values(&one),
    [
      scaled(0.5, -2.0),
      scaled(0.25, 1.0),
      scaled(2.0, 0.0),
      scaled(1.0, -8.0)
    ]
    .concat()
  );
  assert_eq!(values(&read("zero.weight")), scaled(0.5, -4.0));
  let eight: Vec<f32> = (0..32_i16).map(|index| 0.125 * f32::from(index * 8 - 128)).collect();
  assert_eq!(values(&read("eight.weight")), eight);
  // e2m1: sign, two bits of exponent, one of mantissa; exponent byte 128 doubles.
  let magnitude = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
  let four: Vec<f32> = (0..32)
    .map(|index| if code(index) < 8 { 2.0 } else { -2.0 } * magnitude[usize::from(code(index) % 8)])
    .collect();
  assert_eq!(values(&read("four.weight")), four);
  assert_eq!(
    values(&store.read(&source("vector", vec![all_of("norm.weight")])).unwrap()),
    [1.0, 2.0]
  );
}

#[test]
fn a_column_piece_falls_on_blocks() {
  let folder = TestFolder::new();
  let store = open(&folder, &small_model().bytes()).unwrap();
  let columns = |column_start, column_end| TensorSlice {
    column_start,
    column_end,
    ..all_of("one.weight")
  };
  let right = values(&store.read(&source("matrix", vec![columns(32, 64)])).unwrap());
  let whole = values(&store.read(&source("matrix", vec![all_of("one.weight")])).unwrap());
  assert_eq!(right, [&whole[32..64], &whole[96..128]].concat());
  let error = store
    .read(&source("matrix", vec![columns(16, 64)]))
    .unwrap_err()
    .to_string();
  assert!(error.contains("do not fall on blocks of 32 (Q4_1)"), "{error}");
}

#[test]
fn parts_of_different_widths_are_joined_without_loss() {
  let folder = TestFolder::new();
  let store = open(&folder, &small_model().bytes()).unwrap();
  let names = ["zero.weight", "eight.weight"];
  let joined = store.read(&source("matrix", names.map(all_of).to_vec())).unwrap();
  assert!(matches!(joined, HostTensor::Affine { bits: 8, rows: 2, .. }));
  let apart = names.map(|name| values(&store.read(&source("matrix", vec![all_of(name)])).unwrap()));
  assert_eq!(values(&joined), apart.concat());
}

#[test]
fn a_bias_beyond_f16_makes_scales_f32() {
  let folder = TestFolder::new();
  let gguf = Gguf::default().tensor("w", 8, &[32, 2], &[q8_0(1000.0), q8_0(6e-8)].concat());
  let store = open(&folder, &gguf.bytes()).unwrap();
  let read = store.read(&source("matrix", vec![all_of("w")])).unwrap();
  assert!(matches!(
    read,
    HostTensor::Affine {
      scale_elements: Elements::F32,
      ..
    }
  ));
  assert!(values(&read)[0].to_bits() == (-128_000_f32).to_bits());
}

#[test]
fn other_types_are_listed_and_refused_when_read() {
  let folder = TestFolder::new();
  let store = open(&folder, &small_model().bytes()).unwrap();
  assert!(store.tensors().iter().any(|tensor| tensor.element.name == "Q4_K"));
  let error = store
    .read(&source("matrix", vec![all_of("k.weight")]))
    .unwrap_err()
    .to_string();
  assert!(
    error.contains("tensor k.weight has type Q4_K, which is not supported"),
    "{error}"
  );
}

#[test]
fn metadata_leaves_out_the_token_lists() {
  let folder = TestFolder::new();
  let store = open(&folder, &small_model().bytes()).unwrap();
  let json = store.metadata().json();
  assert_eq!(
    json,
    r#"{"general.architecture":"llama","llama.block_count":2,"tokenizer.ggml.add_bos_token":true}"#
  );
  assert_eq!(
    store.metadata().get("tokenizer.ggml.tokens"),
    Some(&Value::Texts(vec!["a".to_owned(), "b".to_owned()]))
  );
}

#[test]
fn headers_that_lie_are_refused() {
  let folder = TestFolder::new();
  let refused = |bytes: &[u8], expected: &str| {
    let error = open(&folder, bytes).unwrap_err();
    assert!(error.contains(expected), "{expected}: {error}");
  };
  let with = |at: usize, bytes: &[u8]| {
    let mut spoiled = small_model().bytes();
    spoiled[at..at + bytes.len()].copy_from_slice(bytes);
    spoiled
  };
  refused(&with(0, b"GGML"), "not a GGUF file");
  refused(&with(4, &4_u32.to_le_bytes()), "GGUF version 4");
  refused(&with(4, &3_u32.to_be_bytes()), "big-endian");
  refused(&with(8, &u64::MAX.to_le_bytes()), "tensors, room is for");
  refused(&with(16, &(1_u64 << 60).to_le_bytes()), "key-values, room is for");
  refused(&with(24, &(1_u64 << 40).to_le_bytes()), "claims a string of");

  let long = [&4_u32.to_le_bytes()[..], &(1_u64 << 61).to_le_bytes()].concat();
  refused(
    &Gguf::default().pair("list", 9, &long).bytes(),
    "array items, room is for",
  );
  let nested = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat();
  refused(&Gguf::default().pair("list", 9, &nested).bytes(), "arrays in an array");
  refused(
    &Gguf::default().pair("odd", 99, &[0; 64]).bytes(),
    "unknown value type 99",
  );
  refused(
    &Gguf::default().unsigned("k", 1).unsigned("k", 2).bytes(),
    "key k is written twice",
  );
  refused(
    &Gguf::default().unsigned("general.alignment", 33).bytes(),
    "not a small power of two",
  );
  refused(&Gguf::default().unsigned("split.count", 2).bytes(), "split GGUF");

  let shape = [1 << 40, 1 << 40];
  refused(
    &Gguf::default().tensor("w", 0, &shape, &[]).bytes(),
    "tensor w of type F32 cannot have shape",
  );
  refused(
    &Gguf::default().tensor("w", 2, &[33, 1], &[0; 64]).bytes(),
    "cannot have shape",
  );
  refused(
    &Gguf::default().tensor("w", 0, &[64, 1], &[0; 32]).bytes(),
    "lies behind the end",
  );
  refused(
    &Gguf::default().tensor("w", 77, &[4], &[0; 16]).bytes(),
    "unknown type 77",
  );
  refused(&Gguf::default().tensor("w", 0, &[1; 9], &[0; 16]).bytes(), "has 9 axes");
  let twice = Gguf::default()
    .tensor("w", 0, &[4], &[0; 16])
    .tensor("w", 0, &[4], &[0; 16]);
  refused(&twice.bytes(), "tensor w is listed twice");
}

#[test]
fn every_cut_is_noticed_and_no_spoiled_byte_panics() {
  let folder = TestFolder::new();
  let whole = small_model().bytes();
  for length in 0..whole.len() {
    assert!(open(&folder, &whole[..length]).is_err(), "cut at {length}");
  }
  let data = whole.len() - 400;
  for at in 0..data {
    for value in [0, 1, 9, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at] ^ 0x10] {
      let mut spoiled = whole.clone();
      spoiled[at] = value;
      let _ = read_all(&folder.write("model.gguf", &spoiled));
    }
  }
}
