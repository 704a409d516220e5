//! The bucket's synchronization primitives, which a test replaces.

pub(super) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
