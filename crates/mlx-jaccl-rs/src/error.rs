//! The one error type of the crate and how it reaches JavaScript. Every error is one sentence that names what failed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub enum Error {
  /// A system call on a file failed.
  File { path: PathBuf, source: io::Error },
  /// A file of the model is damaged, or holds something this program cannot run.
  Model(String),
  /// The caller asked for something that does not exist or does not fit.
  Argument(String),
  /// A library, a device or the operating system refused.
  Native(String),
}

impl Error {
  pub fn file(path: &Path, source: io::Error) -> Self {
    Self::File {
      path: path.to_path_buf(),
      source,
    }
  }

  pub fn model(sentence: impl Into<String>) -> Self {
    Self::Model(sentence.into())
  }

  pub fn argument(sentence: impl Into<String>) -> Self {
    Self::Argument(sentence.into())
  }
}

impl fmt::Display for Error {
  fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    match self {
      Self::File { path, source } => write!(out, "{}: {source}", path.display()),
      Self::Model(sentence) | Self::Argument(sentence) | Self::Native(sentence) => out.write_str(sentence),
    }
  }
}

impl std::error::Error for Error {
  fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
    match self {
      Self::File { source, .. } => Some(source),
      _ => None,
    }
  }
}

impl From<Error> for napi::Error {
  fn from(error: Error) -> Self {
    let status = match error {
      Error::Argument(_) => napi::Status::InvalidArg,
      _ => napi::Status::GenericFailure,
    };
    Self::new(status, error.to_string())
  }
}
