//! The native half of mlx-jaccl-cluster.
