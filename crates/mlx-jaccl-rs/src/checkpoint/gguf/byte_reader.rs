//! Reads numbers and strings of a GGUF header in order. Never reads, or makes room for, more than the file can hold.

use crate::checkpoint::data_file::DataFile;
use crate::error::Error;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// A chat template or the longest name is far below; the token lists are many short strings.
const MAX_STRING_BYTES: u64 = 16 << 20;
/// Key-values and tensor list of the largest vocabularies are some 20 MB.
const MAX_HEADER_BYTES: u64 = 512 << 20;

pub struct ByteReader<'a> {
  data: &'a DataFile,
  source: BufReader<&'a std::fs::File>,
  position: u64,
}

impl<'a> ByteReader<'a> {
  pub fn new(data: &'a DataFile) -> Result<Self, Error> {
    let mut source = BufReader::with_capacity(1 << 20, data.file());
    source
      .seek(SeekFrom::Start(0))
      .map_err(|error| Error::file(data.path(), error))?;
    Ok(Self {
      data,
      source,
      position: 0,
    })
  }

  pub fn position(&self) -> u64 {
    self.position
  }

  /// Bytes that the header may still take.
  pub fn remaining(&self) -> u64 {
    self.data.length().min(MAX_HEADER_BYTES).saturating_sub(self.position)
  }

  pub fn damaged(&self, what: impl std::fmt::Display) -> Error {
    self.data.damaged(what)
  }

  fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    self.fill(&mut bytes)?;
    Ok(bytes)
  }

  fn fill(&mut self, into: &mut [u8]) -> Result<(), Error> {
    if into.len() as u64 > self.remaining() {
      return Err(self.damaged(format!("the GGUF header ends early, at byte {}", self.position)));
    }
    self
      .source
      .read_exact(into)
      .map_err(|error| Error::file(self.data.path(), error))?;
    self.position += into.len() as u64;
    Ok(())
  }

  pub fn u8(&mut self) -> Result<u8, Error> {
    Ok(u8::from_le_bytes(self.take()?))
  }

  pub fn u16(&mut self) -> Result<u16, Error> {
    Ok(u16::from_le_bytes(self.take()?))
  }

  pub fn u32(&mut self) -> Result<u32, Error> {
    Ok(u32::from_le_bytes(self.take()?))
  }

  pub fn u64(&mut self) -> Result<u64, Error> {
    Ok(u64::from_le_bytes(self.take()?))
  }

  /// A count of things that take at least `least_bytes` each: more than fit in the rest of the file is a lie.
  pub fn count(&mut self, least_bytes: u64, what: &str) -> Result<usize, Error> {
    let count = self.u64()?;
    let limit = self.remaining() / least_bytes;
    if count > limit {
      return Err(self.damaged(format!("claims {count} {what}, room is for {limit}")));
    }
    usize::try_from(count).map_err(|_| self.damaged(format!("claims {count} {what}")))
  }

  pub fn string(&mut self) -> Result<String, Error> {
    let length = self.u64()?;
    if length > MAX_STRING_BYTES.min(self.remaining()) {
      return Err(self.damaged(format!("claims a string of {length} bytes at byte {}", self.position)));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    self.fill(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| self.damaged(format!("the string before byte {} is not UTF-8", self.position)))
  }
}
