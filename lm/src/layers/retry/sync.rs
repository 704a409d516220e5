//! The primitives of the bucket, so that a test can put others in their place.

pub(super) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
