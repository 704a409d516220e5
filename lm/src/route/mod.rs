//! Handles that ask one of several others.

mod fallback;
mod member;
mod pool;

pub use self::pool::Pool;
