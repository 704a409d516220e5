//! One HTTP request over reqwest. Knows no provider.

mod clients;

pub(crate) use self::clients::{Clients, NoClient};
