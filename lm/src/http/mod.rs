//! One HTTP request over reqwest, and what its answer says beside the body. Knows no provider.

pub(crate) mod address;
mod clients;
pub(crate) mod excerpt;
mod exchange;
pub(crate) mod rate_limit;
pub(crate) mod retry_after;
pub(crate) mod sse;
pub(crate) mod transport;

pub(crate) use self::{
    clients::{Clients, NoClient},
    exchange::Exchange,
};
