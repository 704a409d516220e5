//! Pool.
/// Pool.
#[derive(Debug)]
pub struct Pool;
