//! This crate has no code of its own: see `tests/tests`.
