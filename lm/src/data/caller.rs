//! Who calls an LM.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The caller of an LM: a predictor's path, and an identity that outlives the path.
///
/// `Predict` sets it; a leaf module of your own passes it to [`Lm::complete_for`](crate::Lm::complete_for).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    path: Arc<str>,
    id: CallerId,
}

impl Caller {
    /// A caller of this path, e.g. `answer.predict`.
    pub fn new(path: impl Into<Arc<str>>, id: CallerId) -> Self {
        Self { path: path.into(), id }
    }

    /// Its path from the root of the outermost module that was called.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its identity, whatever its path.
    pub fn id(&self) -> CallerId {
        self.id
    }
}

/// The identity of a [`Caller`]: different from every other one of the process, and without a meaning beyond it.
///
/// ```
/// use karat::lm::CallerId;
///
/// assert_ne!(CallerId::unique(), CallerId::unique());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerId(NonZeroU64);

impl CallerId {
    /// A new identity, which no other caller of the process has.
    pub fn unique() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}
