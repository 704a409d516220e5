//! The single flight's synchronization primitives, which a test replaces.

pub(super) use std::sync::{Arc, Mutex, MutexGuard};
