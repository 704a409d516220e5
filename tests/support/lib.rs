//! Helpers of several test binaries: a scripted server over real TCP, and a clock that waits for sockets.
//!
//! The server and the client under test live in one runtime of one thread, under [`clock::run`], so that a script's pauses and
//! the client's waits are times of one virtual clock, and no test takes as long as what it is about.

pub mod clock;
mod http1;
mod http2;
pub mod reply;
pub mod server;
mod tls;

pub use self::{
    reply::{Act, Reply},
    server::{Received, Server},
    tls::Certificate,
};
