//! Models for tests: scripts, and recordings played again.

mod nearest;
mod replay;
mod scripted;

pub use self::{
    replay::Replay,
    scripted::{Answer, Reply, ScriptedLm},
};
