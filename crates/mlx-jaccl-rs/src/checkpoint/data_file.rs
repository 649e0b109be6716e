//! One open weight file: its length, and reads of byte ranges. Knows nothing of what the bytes mean.

use crate::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct DataFile {
  path: PathBuf,
  file: File,
  length: u64,
}

impl DataFile {
  pub fn open(path: &Path) -> Result<Self, Error> {
    let file = File::open(path).map_err(|source| Error::file(path, source))?;
    let facts = file.metadata().map_err(|source| Error::file(path, source))?;
    if !facts.is_file() {
      return Err(Error::model(format!("{} is not a file", path.display())));
    }
    Ok(Self {
      path: path.to_path_buf(),
      file,
      length: facts.len(),
    })
  }

  pub fn path(&self) -> &Path {
    &self.path
  }

  pub fn length(&self) -> u64 {
    self.length
  }

  pub fn file(&self) -> &File {
    &self.file
  }

  /// Fills `into` from `offset`. An error also when the file was cut since it was opened.
  pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
    self
      .file
      .read_exact_at(into, offset)
      .map_err(|source| Error::file(&self.path, source))
  }

  /// Damage found in this file.
  pub fn damaged(&self, what: impl std::fmt::Display) -> Error {
    Error::model(format!("{}: {what}", self.path.display()))
  }
}
