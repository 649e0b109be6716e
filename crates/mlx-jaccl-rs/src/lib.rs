//! The native half of mlx-jaccl-cluster.

pub mod checkpoint;
pub mod engine;
pub mod error;
mod ffi;
pub mod grammar;
pub mod group;
pub mod host;
pub mod tokenizer;
