//! Addresses: whose machine a host is, and what of an address a message may show.

use std::net::IpAddr;

use reqwest::Url;

/// True for a host that is this machine, whatever the network.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let is_name = || {
        let name = host.to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost")
    };
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => is_name(),
    }
}

/// Host and port, without what else an address may hold.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
