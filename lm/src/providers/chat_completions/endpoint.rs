//! The address, key and headers of a request: from the program, else from the environment, else the provider's usual address.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{ChatCompletions, headers};
use crate::{
    data::Config,
    http::address::{self, is_this_machine},
    providers::environment::{BASE_URL, set},
    report::{Error, ErrorKind, Result},
};

/// A shorter key is a placeholder (`x`, `-`): taking it out would only garble a message.
const SHORTEST_KEY: usize = 4;

/// The origin of the usual address, for messages.
const TABLE: &str = "the provider's table";

/// The endpoint of a request. Never printed whole: addresses may hold secrets.
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// Host and port alone, for messages.
    pub(super) host: String,
    pub(super) key: Option<SecretString>,
    /// Whether the key must not go to another machine in clear, since nobody has set this key for this address.
    pub(super) is_key_guarded: bool,
    /// The headers of a request; without the key if no header can hold it.
    pub(super) headers: HeaderMap,
    /// The values of the program's headers; see [`secrets`](Endpoint::secrets).
    header_secrets: Vec<SecretString>,
}

impl Endpoint {
    /// Builds the endpoint; the program's headers override karat's.
    fn new(Address { url, host, .. }: Address, key: Option<ApiKey>, own: &HeaderMap) -> Self {
        let is_key_guarded = key.as_ref().is_some_and(|key| key.is_guarded);
        let key = key.map(|key| key.text);
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const ANY: HeaderValue = HeaderValue::from_static("*/*");
        const KARAT: HeaderValue = HeaderValue::from_static(concat!("karat/", env!("CARGO_PKG_VERSION")));
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON), (ACCEPT, ANY), (USER_AGENT, KARAT)]);
        if let Some(Ok(mut value)) = key.as_ref().map(|key| HeaderValue::try_from(format!("Bearer {key}"))) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // Without it the client would write the host anew for each request. HTTP/2, which TLS may lead to, has its own field for it.
        if url.scheme() == "http" {
            headers.extend(HeaderValue::try_from(&host).ok().map(|host| (HOST, host)));
        }
        headers::put_over(&mut headers, own);
        let header_secrets = headers::secrets(own).into_iter().map(SecretString::from).collect();
        Self { url, host, key: key.map(SecretString::from), is_key_guarded, headers, header_secrets }
    }

    /// The secrets that no shown text may hold.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let key = self.key.iter().filter(|key| key.expose_secret().len() >= SHORTEST_KEY);
        self.header_secrets.iter().chain(key).map(ExposeSecret::expose_secret)
    }
}

/// The API key of a request.
struct ApiKey {
    text: String,
    is_guarded: bool,
}

/// The origin of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// The program, a variable of the provider's, or the provider's table.
    Program,
    /// The environment variable beside the one that names the model.
    Environment,
    /// A state file, which may be somebody else's: its address gets no key of the environment.
    State,
}

/// An address that was set, parsed once: it is the same at every call.
pub(super) struct OwnAddress {
    given: String,
    named: NamedBy,
    read: Result<Address>,
}

impl OwnAddress {
    /// Parses an address for the model of this name.
    pub(super) fn new(model: &str, given: String, named: NamedBy) -> Self {
        let origin = match named {
            NamedBy::Program => "`.base_url(..)`".to_owned(),
            NamedBy::Environment => format!("the environment variable `{BASE_URL}`"),
            NamedBy::State => "the state file".to_owned(),
        };
        let origin = &*origin;
        let read = parse_url(model, &given, origin).and_then(|url| Address::new(model, url, origin));
        let read = read.map(|address| Address { named, ..address });
        Self { given, named, read }
    }

    pub(super) fn named(&self) -> NamedBy {
        self.named
    }

    pub(super) fn given(&self) -> &str {
        &self.given
    }

    /// # Errors
    /// [`is_config`](Error::is_config): it cannot be used.
    pub(super) fn check(&self) -> Result<()> {
        self.read.as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

/// The address of requests, with the path of the API, and the host and port for messages.
#[derive(Clone)]
struct Address {
    url: Url,
    host: String,
    named: NamedBy,
}

impl Address {
    fn new(model: &str, mut url: Url, origin: &str) -> Result<Self> {
        complete_path(&mut url);
        // A fragment is never sent, and would be shown.
        url.set_fragment(None);
        let host = address::host(&url);
        // Almost every URL is also a URI.
        Uri::try_from(url.as_str()).map_err(|error| {
            Error::config(format!("`{model}`: the address in {origin} cannot be asked over HTTP ({error})"))
        })?;
        Ok(Self { url, host, named: NamedBy::Program })
    }

    /// The address without its query, which may hold a key.
    fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.into()
    }

    /// True if other machines on the way can read what is sent there.
    fn is_open_to_others(&self) -> bool {
        self.url.scheme() == "http" && !self.url.host_str().is_some_and(is_this_machine)
    }
}

/// The endpoint that is the same at every call, since nothing of it comes from the environment; built at the first call.
pub(super) type FixedEndpoint = OnceLock<Arc<Endpoint>>;

impl ChatCompletions {
    /// Host and port; `None` where there is no address that can be used.
    pub(crate) fn server(&self) -> Option<(String, u16)> {
        let url = self.address(|var| std::env::var(var).ok()).ok()?.url;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    }

    /// The address as it may be shown, with or without a key for it: a request may bring its own.
    pub(super) fn shown_address(&self, env: impl Fn(&str) -> Option<String>) -> Option<String> {
        Some(self.address(env).ok()?.shown())
    }

    /// # Errors
    /// [`is_config`](Error::is_config): it cannot be used.
    fn address(&self, env: impl Fn(&str) -> Option<String>) -> Result<Address> {
        match &self.own_address {
            Some(own) => own.read.clone(),
            None => self.usual_address(set(env)),
        }
    }

    /// The setting of the address, for messages.
    pub(super) fn address_setting(&self) -> String {
        match self.own_address.as_deref().map(OwnAddress::named) {
            Some(NamedBy::Environment) => format!("`{BASE_URL}`"),
            Some(NamedBy::State) => "the state file's `api_base`".to_owned(),
            Some(NamedBy::Program) | None => {
                format!("`.base_url(..)`, else `{}`", self.provider.base_url_vars.join("`, `"))
            }
        }
    }

    /// Replaces the API key and the values of the LM's headers in a text by stars.
    pub(crate) fn without_key(&self, text: String) -> String {
        let Ok(endpoint) = self.endpoint(|var| std::env::var(var).ok()) else { return text };
        endpoint.secrets().fold(text, |text, secret| match text.contains(secret) {
            true => text.replace(secret, "***"),
            false => text,
        })
    }

    /// The endpoint of a request with this config, with its `extra_headers` over the LM's headers.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint)'s; [`is_config`](Error::is_config): headers that HTTP does not allow.
    pub(super) fn endpoint_for(
        &self,
        config: &Config,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Arc<Endpoint>> {
        let further = headers::of(config).map_err(|what| {
            Error::config(format!("`{}`: not sent: the parameter `extra_headers`: {what}", self.name))
        })?;
        if further.is_empty() {
            return self.endpoint(env);
        }
        let mut own = self.headers.clone();
        headers::put_over(&mut own, &further);
        self.read_endpoint(env, &own).map(Arc::new)
    }

    /// # Errors
    /// [`is_config`](Error::is_config): an address that cannot be used, no key where the provider needs one, or one that would go
    /// to another machine in clear.
    pub(super) fn endpoint(&self, env: impl Fn(&str) -> Option<String>) -> Result<Arc<Endpoint>> {
        if let Some(fixed_endpoint) = self.fixed_endpoint.get() {
            return Ok(fixed_endpoint.clone());
        }
        let endpoint = Arc::new(self.read_endpoint(env, &self.headers)?);
        if self.own_address.is_some() && self.api_key.is_some() {
            let _ = self.fixed_endpoint.set(endpoint.clone());
        }
        Ok(endpoint)
    }

    fn read_endpoint(&self, env: impl Fn(&str) -> Option<String>, own: &HeaderMap) -> Result<Endpoint> {
        let address = self.address(&env)?;
        let has_credentials = headers::have_credentials(own);
        let key = match &self.api_key {
            Some(key) => Some(ApiKey { text: key.expose_secret().trim().to_owned(), is_guarded: false }),
            // The environment's key is for requests without credentials of their own.
            None if has_credentials => None,
            None => self.environment_key(&address, set(env))?,
        };
        let key = key.filter(|key| !key.text.is_empty());
        if key.is_none() && self.provider.key_required && !has_credentials {
            let how = match address.named {
                NamedBy::Program | NamedBy::Environment => {
                    format!(
                        "set the environment variable `{}`, or call `.api_key(..)`",
                        self.provider.key_var
                    )
                }
                NamedBy::State => {
                    "the address comes from a state file, to which no key of the environment is sent: call \
                                   `.api_key(..)`, or set an LM of the program's own with `set_lm(&lm)`"
                        .to_owned()
                }
            };
            let message = format!("`{}` at {}: no API key: {how}", self.name, address.host);
            return Err(Error::new(ErrorKind::MissingKey, message));
        }
        Ok(Endpoint::new(address, key, own))
    }

    /// The environment's key for the provider, if it may be sent to this address.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): other machines could read it on the way.
    fn environment_key(
        &self,
        address: &Address,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<ApiKey>> {
        let var = self.provider.key_var;
        let Some(text) = env(var).filter(|_| address.named != NamedBy::State) else { return Ok(None) };
        if address.is_open_to_others() && !self.is_key_over_http_allowed {
            return Err(Error::config(self.key_in_clear(&address.host, "to another machine")));
        }
        Ok(Some(ApiKey { text, is_guarded: !self.is_key_over_http_allowed }))
    }

    /// The message that the environment's key is not sent to this host, and how to send it.
    pub(super) fn key_in_clear(&self, host: &str, to: &str) -> String {
        format!(
            "`{}` at {host}: not sent: the key of the environment variable `{}` would go {to} in clear, over http. Use an \
             address that begins with `https://`, set the key of this server with `.api_key(..)`, or allow it with \
             `.allow_key_over_http(true)`",
            self.name, self.provider.key_var
        )
    }

    /// The address from the environment, else the provider's own.
    fn usual_address(&self, env: impl Fn(&str) -> Option<String>) -> Result<Address> {
        match self.provider.base_url_vars.iter().find_map(|var| Some((*var, env(var)?))) {
            Some((var, url)) => {
                let origin = format!("the environment variable `{var}`");
                Address::new(&self.name, self.parse_variable(&url, &origin)?, &origin)
            }
            None => Address::new(&self.name, self.provider_url()?, TABLE),
        }
    }

    fn provider_url(&self) -> Result<Url> {
        parse_url(&self.name, self.provider.base_url, TABLE)
    }

    /// Parses an address from the environment. A bare server gets scheme, port and path of the usual address.
    fn parse_variable(&self, address: &str, origin: &str) -> Result<Url> {
        if !self.provider.bare_server {
            return parse_url(&self.name, address, origin);
        }
        let usual = self.provider_url()?;
        let bare = !address.contains("://");
        let mut url = match bare {
            false => parse_url(&self.name, address, origin)?,
            true => {
                // `:11434` alone is a port on this machine.
                let this_machine = if address.starts_with(':') { "127.0.0.1" } else { "" };
                parse_url(&self.name, &format!("{}://{this_machine}{address}", usual.scheme()), origin)?
            }
        };
        // `set_*` fail only for URLs without a host, which `parse_url` refuses.
        if bare && url.port().is_none() {
            let _ = url.set_port(usual.port());
        }
        // A server that listens on all addresses is reached at the local one.
        if url.host_str() == Some("0.0.0.0") {
            let _ = url.set_host(Some("127.0.0.1"));
        }
        if url.path() == "/" {
            url.set_path(usual.path());
        }
        Ok(url)
    }
}

/// Parses an address that a program wrote: whole, with its scheme.
fn parse_url(model: &str, address: &str, origin: &str) -> Result<Url> {
    let bad = |what: &str| {
        Error::config(format!(
            "`{model}`: the address in {origin} {what}; expected e.g. `http://127.0.0.1:8080/v1`"
        ))
    };
    let url = Url::parse(address.trim()).map_err(|error| bad(&format!("is not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must begin with `http://` or `https://`"));
    }
    // Credentials are neither sent nor silently dropped, and the message does not repeat them.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "holds a user name or password, which are not sent: remove them, and set the key with `.api_key(..)`",
        ));
    }
    Ok(url)
}

/// Adds `/chat/completions` unless the path ends with it; keeps a query.
fn complete_path(url: &mut Url) {
    let path = url.path().trim_end_matches('/').to_owned();
    let path = if path.ends_with("/chat/completions") { path } else { path + "/chat/completions" };
    url.set_path(&path);
}
