//! placeholder
/// placeholder
#[derive(Debug)]
pub struct Replay;
