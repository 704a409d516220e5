//! The primitives of the single flight, so that a test can put others in their place.

pub(super) use std::sync::{Arc, Mutex, MutexGuard};
