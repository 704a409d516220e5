//! Handles that ask one of several others.

mod fallback;
mod members;
mod pool;

pub use self::pool::Pool;
