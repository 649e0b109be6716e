//! The native half of mlx-jaccl-cluster.

pub mod checkpoint;
pub mod error;
