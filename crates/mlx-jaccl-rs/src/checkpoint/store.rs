//! An opened model: its files and the tensors in them. Reads pieces of tensors into host tensors.

use super::data_file::DataFile;
use super::gguf::{self, Metadata};
use super::host_tensor::HostTensor;
use super::region::{Region, read_rows};
use super::stored_tensor::StoredTensor;
use super::weight_source::{TensorSlice, WeightQuantization, WeightSource};
use super::{affine, dense, folder, ggml_blocks, join, safetensors};
use crate::error::Error;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Decides how a matrix is read, and what a vector may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
  Safetensors,
  Gguf,
}

#[derive(Debug)]
pub struct Store {
  format: Format,
  files: Vec<DataFile>,
  tensors: Vec<StoredTensor>,
  by_name: HashMap<String, usize>,
  metadata: Metadata,
}

impl Store {
  /// `path` is a folder of safetensors, one safetensors file, or one GGUF file.
  pub fn open(path: &Path) -> Result<Self, Error> {
    let facts = fs::metadata(path).map_err(|source| Error::file(path, source))?;
    if facts.is_dir() {
      let folder = folder::list(path)?;
      let files = folder
        .files
        .iter()
        .map(|file| DataFile::open(file))
        .collect::<Result<Vec<_>, _>>()?;
      let store = Self::of_safetensors(files)?;
      store.check_index(&folder.required)?;
      return Ok(store);
    }
    let data = DataFile::open(path)?;
    if path.extension().is_some_and(|extension| extension == "safetensors") {
      return Self::of_safetensors(vec![data]);
    }
    let (metadata, tensors) = gguf::read_header(&data)?;
    Self::new(Format::Gguf, vec![data], tensors, metadata)
  }

  fn of_safetensors(files: Vec<DataFile>) -> Result<Self, Error> {
    let mut tensors = Vec::new();
    for (index, data) in files.iter().enumerate() {
      tensors.extend(safetensors::read_header(data, index)?);
    }
    Self::new(Format::Safetensors, files, tensors, Metadata::default())
  }

  fn new(format: Format, files: Vec<DataFile>, tensors: Vec<StoredTensor>, metadata: Metadata) -> Result<Self, Error> {
    let mut by_name = HashMap::new();
    for (index, tensor) in tensors.iter().enumerate() {
      if by_name.insert(tensor.name.clone(), index).is_some() {
        return Err(files[tensor.file].damaged(format!("tensor {} is there twice", tensor.name.escape_debug())));
      }
    }
    Ok(Self {
      format,
      files,
      tensors,
      by_name,
      metadata,
    })
  }

  /// Every tensor that the index lists must be in the file that it names.
  fn check_index(&self, required: &std::collections::BTreeMap<String, String>) -> Result<(), Error> {
    for (name, file) in required {
      let found = self
        .by_name
        .get(name)
        .map(|index| self.files[self.tensors[*index].file].path());
      if found.and_then(Path::file_name) != Some(file.as_ref()) {
        return Err(Error::model(format!(
          "tensor {} is not in {file}, where the index has it",
          name.escape_debug()
        )));
      }
    }
    Ok(())
  }

  pub fn format(&self) -> Format {
    self.format
  }

  pub fn tensors(&self) -> &[StoredTensor] {
    &self.tensors
  }

  pub fn metadata(&self) -> &Metadata {
    &self.metadata
  }

  pub fn read(&self, source: &WeightSource) -> Result<HostTensor, Error> {
    if source.parts.is_empty() {
      return Err(Error::argument("a weight source names no tensor"));
    }
    let parts = source.parts.iter().map(|slice| match source.kind.as_str() {
      "matrix" => self.matrix(slice, source.quantization.as_ref()),
      "vector" => self.vector(slice),
      other => Err(Error::argument(format!(
        "tensor {}: kind {other} is neither matrix nor vector",
        slice.name
      ))),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    join::join_rows(parts, &source.parts)
  }

  fn matrix(&self, slice: &TensorSlice, quantization: Option<&WeightQuantization>) -> Result<HostTensor, Error> {
    let tensor = self.find(&slice.name)?;
    if tensor.shape.len() < 2 {
      return Err(Error::argument(format!(
        "tensor {} has shape {:?}, no matrix",
        tensor.name, tensor.shape
      )));
    }
    if self.format == Format::Safetensors && tensor.element.name == "U32" {
      return affine::read(self, slice, quantization);
    }
    let (rows, columns) = tensor.matrix();
    let region = Region::of(slice, rows, columns)?;
    if dense::elements(tensor).is_some() {
      return dense::read_matrix(self, tensor, &region);
    }
    ggml_blocks::read(self, tensor, &region)
  }

  fn vector(&self, slice: &TensorSlice) -> Result<HostTensor, Error> {
    let tensor = self.find(&slice.name)?;
    let (rows, columns) = tensor.matrix();
    dense::read_vector(self, tensor, &Region::of(slice, rows, columns)?)
  }

  pub fn find(&self, name: &str) -> Result<&StoredTensor, Error> {
    self
      .lookup(name)
      .ok_or_else(|| Error::model(format!("{}: there is no tensor {name}", self.files[0].path().display())))
  }

  pub fn lookup(&self, name: &str) -> Option<&StoredTensor> {
    self.by_name.get(name).map(|index| &self.tensors[*index])
  }

  /// The bytes of `region` of `tensor`, in pieces of whole rows.
  pub fn rows(&self, tensor: &StoredTensor, region: &Region, sink: impl FnMut(&[u8])) -> Result<(), Error> {
    read_rows(&self.files[tensor.file], tensor, region, sink)
  }

  /// A tensor whose type cannot be used as asked.
  pub fn refused(&self, tensor: &StoredTensor, what: &str) -> Error {
    let path = self.files[tensor.file].path().display();
    Error::model(format!(
      "{path}: tensor {} has type {}, {what}",
      tensor.name, tensor.element.name
    ))
  }
}
