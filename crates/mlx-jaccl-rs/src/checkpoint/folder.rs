//! Which safetensors files of a folder make up the model. Reads no tensor.

use crate::error::Error;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const INDEX: &str = "model.safetensors.index.json";
/// The index of the largest models is some ten megabytes.
const MAX_INDEX_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
struct Index {
  weight_map: BTreeMap<String, String>,
}

/// Files of a model, and the tensors they must hold (empty without an index).
pub struct Folder {
  pub files: Vec<PathBuf>,
  pub required: BTreeMap<String, String>,
}

/// The files that the index names; without one `model*.safetensors`; without those every `*.safetensors`.
pub fn list(folder: &Path) -> Result<Folder, Error> {
  let index = folder.join(INDEX);
  if index.is_file() {
    return from_index(folder, &index);
  }
  let mut names = BTreeSet::new();
  for entry in fs::read_dir(folder).map_err(|source| Error::file(folder, source))? {
    let entry = entry.map_err(|source| Error::file(folder, source))?;
    let name = entry.file_name().to_string_lossy().into_owned();
    if name.ends_with(".safetensors") && !name.starts_with('.') {
      names.insert(name);
    }
  }
  if names.iter().any(|name| name.starts_with("model")) {
    names.retain(|name| name.starts_with("model"));
  }
  if names.is_empty() {
    return Err(Error::model(format!(
      "{} holds no *.safetensors file",
      folder.display()
    )));
  }
  Ok(Folder {
    files: names.iter().map(|name| folder.join(name)).collect(),
    required: BTreeMap::new(),
  })
}

fn from_index(folder: &Path, path: &Path) -> Result<Folder, Error> {
  let size = fs::metadata(path).map_err(|source| Error::file(path, source))?.len();
  if size > MAX_INDEX_BYTES {
    return Err(Error::model(format!(
      "{} has {size} bytes (limit {MAX_INDEX_BYTES})",
      path.display()
    )));
  }
  let text = fs::read(path).map_err(|source| Error::file(path, source))?;
  let Index { weight_map } = serde_json::from_slice(&text)
    .map_err(|error| Error::model(format!("{} is not a valid index: {error}", path.display())))?;
  let names: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
  // The index is untrusted: it may name files of this folder only.
  if let Some(name) = names
    .iter()
    .find(|name| !name.ends_with(".safetensors") || name.contains(['/', '\\', '\0']))
  {
    return Err(Error::model(format!(
      "{} names {}, which is no safetensors file of the folder",
      path.display(),
      name.escape_debug()
    )));
  }
  if names.is_empty() {
    return Err(Error::model(format!("{} names no file", path.display())));
  }
  Ok(Folder {
    files: names.iter().map(|name| folder.join(name)).collect(),
    required: weight_map,
  })
}
