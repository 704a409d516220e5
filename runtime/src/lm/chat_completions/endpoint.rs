//! Where a request goes and with which key: what the program set, else the environment, else the provider's usual address.

use std::sync::{Arc, OnceLock};

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::ChatCompletions;
use crate::error::{Error, ErrorKind, Result};

/// Where the provider's usual address stands.
const TABLE: &str = "the provider's table";

/// Where a request goes. Never printed whole: addresses may hold secrets.
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// Host and port alone, for messages.
    pub(super) host: String,
    pub(super) key: Option<SecretString>,
    /// The headers of a request; without the key where none can hold it.
    pub(super) headers: HeaderMap,
}

impl Endpoint {
    fn new(Address { url, host }: Address, key: Option<String>) -> Self {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const ANY: HeaderValue = HeaderValue::from_static("*/*");
        const KARAT: HeaderValue = HeaderValue::from_static(concat!("karat/", env!("CARGO_PKG_VERSION")));
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON), (ACCEPT, ANY), (USER_AGENT, KARAT)]);
        if let Some(Ok(mut value)) = key.as_ref().map(|key| HeaderValue::try_from(format!("Bearer {key}"))) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // Else the client would write it anew for each request. HTTP/2, which TLS may lead to, has its own place for it.
        if url.scheme() == "http" {
            headers.extend(HeaderValue::try_from(&host).ok().map(|host| (HOST, host)));
        }
        Self { url, host, key: key.map(SecretString::from), headers }
    }

    /// The address without its query, which may hold a key.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.into()
    }
}

/// An address that the program set, read once: it is the same at every call.
pub(super) struct OwnAddress {
    given: String,
    read: Result<Address>,
}

impl OwnAddress {
    /// For the model of this name.
    pub(super) fn new(model: &str, given: String) -> Self {
        let origin = "`.base_url(..)`";
        let read = parse_url(model, &given, origin).and_then(|url| Address::new(model, url, origin));
        Self { given, read }
    }

    pub(super) fn given(&self) -> &str {
        &self.given
    }
}

/// Where requests go: with the path of the API, and the host and port for messages.
#[derive(Clone)]
struct Address {
    url: Url,
    host: String,
}

impl Address {
    fn new(model: &str, mut url: Url, origin: &str) -> Result<Self> {
        complete_path(&mut url);
        // It is never sent, and would be shown.
        url.set_fragment(None);
        let host = host(&url);
        // Of what is a URL, next to nothing is no URI.
        Uri::try_from(url.as_str()).map_err(|error| {
            Error::config(format!("`{model}`: the address in {origin} cannot be asked over HTTP ({error})"))
        })?;
        Ok(Self { url, host })
    }
}

/// An endpoint that is the same at every call, once it is known: nothing of it stands in the environment.
pub(super) type Settled = OnceLock<Arc<Endpoint>>;

impl ChatCompletions {
    /// Host and port; `None` where no request can be made.
    pub(crate) fn server(&self) -> Option<(String, u16)> {
        let endpoint = self.endpoint(|var| std::env::var(var).ok()).ok()?;
        Some((endpoint.url.host_str()?.to_owned(), endpoint.url.port_or_known_default()?))
    }

    /// The text with stars in place of the API key.
    pub(crate) fn without_key(&self, text: String) -> String {
        let endpoint = self.endpoint(|var| std::env::var(var).ok()).ok();
        match endpoint.as_ref().and_then(|endpoint| endpoint.key.as_ref()) {
            Some(key) if text.contains(key.expose_secret()) => text.replace(key.expose_secret(), "***"),
            _ => text,
        }
    }

    /// # Errors
    /// [`is_config`](Error::is_config): an address that cannot be used, or no key where the provider needs one.
    pub(super) fn endpoint(&self, env: impl Fn(&str) -> Option<String>) -> Result<Arc<Endpoint>> {
        if let Some(settled) = self.settled.get() {
            return Ok(settled.clone());
        }
        let endpoint = Arc::new(self.read_endpoint(env)?);
        if self.own_address.is_some() && self.api_key.is_some() {
            let _ = self.settled.set(endpoint.clone());
        }
        Ok(endpoint)
    }

    fn read_endpoint(&self, env: impl Fn(&str) -> Option<String>) -> Result<Endpoint> {
        let env = |var: &str| env(var).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let address = match &self.own_address {
            Some(own) => own.read.clone()?,
            None => self.usual_address(env)?,
        };
        let key = match &self.api_key {
            Some(key) => Some(key.expose_secret().trim().to_owned()).filter(|key| !key.is_empty()),
            None => env(self.provider.key_var),
        };
        if key.is_none() && self.provider.key_required {
            let message = format!(
                "`{}` at {}: no API key: set the environment variable `{}`, or call `.api_key(..)`",
                self.name, address.host, self.provider.key_var
            );
            return Err(Error::new(ErrorKind::MissingKey, message));
        }
        Ok(Endpoint::new(address, key))
    }

    /// What the environment says, else the provider's own.
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

    /// An address from the environment. Where tools write a bare server, scheme, port and path are the usual address's.
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
        // `set_*` fail only for URLs that cannot have a host, which `parse_url` let none pass.
        if bare && url.port().is_none() {
            let _ = url.set_port(usual.port());
        }
        // Where a server listens on all addresses, a client on the same machine takes the local one.
        if url.host_str() == Some("0.0.0.0") {
            let _ = url.set_host(Some("127.0.0.1"));
        }
        if url.path() == "/" {
            url.set_path(usual.path());
        }
        Ok(url)
    }
}

/// An address as a program writes it: whole, with its scheme.
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
    // Neither sent nor dropped in silence, and the message does not repeat them.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "holds a user name or password, which are not sent: remove them, and set the key with `.api_key(..)`",
        ));
    }
    Ok(url)
}

/// Adds `/chat/completions`, and keeps a query. An address that has it already is taken as it is.
fn complete_path(url: &mut Url) {
    let path = url.path().trim_end_matches('/').to_owned();
    let path = if path.ends_with("/chat/completions") { path } else { path + "/chat/completions" };
    url.set_path(&path);
}

/// Host and port, without what else an address may hold.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::{super::Provider, *};

    fn client(name: &str) -> ChatCompletions {
        let (provider, model) = Provider::parse(name).unwrap();
        ChatCompletions::new(provider, model)
    }

    fn vars<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |wanted| vars.iter().find(|(var, _)| *var == wanted).map(|(_, value)| (*value).to_owned())
    }

    fn url(name: &str, env: &[(&str, &str)]) -> String {
        client(name).api_key("sk-canary").endpoint(vars(env)).unwrap().url.to_string()
    }

    fn key(endpoint: &Endpoint) -> &str {
        endpoint.key.as_ref().unwrap().expose_secret()
    }

    #[test]
    fn the_usual_address_is_taken_where_nothing_is_set() {
        assert_eq!(url("openai/x", &[]), "https://api.openai.com/v1/chat/completions");
        assert_eq!(
            url("openai/x", &[("OPENAI_BASE_URL", " ")]),
            "https://api.openai.com/v1/chat/completions"
        );
        assert_eq!(url("groq/x", &[]), "https://api.groq.com/openai/v1/chat/completions");
    }

    #[test]
    fn openais_address_variable_is_taken_literally_and_the_first_one_wins() {
        assert_eq!(
            url("openai/x", &[("OPENAI_BASE_URL", "https://api.acme.com")]),
            "https://api.acme.com/chat/completions"
        );
        let both = [("OPENAI_API_BASE", "http://a/v1"), ("OPENAI_BASE_URL", "http://b/v1/")];
        assert_eq!(url("openai/x", &both), "http://b/v1/chat/completions");
    }

    #[test]
    fn a_bare_server_in_the_environment_gets_what_it_lacks_from_the_usual_address() {
        for (name, var, value, expected) in [
            ("groq/x", "GROQ_BASE_URL", "https://api.groq.com", "https://api.groq.com/openai/v1"),
            ("groq/x", "GROQ_BASE_URL", "https://proxy/v7", "https://proxy/v7"),
            ("ollama/x", "OLLAMA_API_BASE", "http://gpu:11434/", "http://gpu:11434/v1"),
            ("ollama/x", "OLLAMA_HOST", "gpu", "http://gpu:11434/v1"),
            ("ollama/x", "OLLAMA_HOST", "0.0.0.0:9999", "http://127.0.0.1:9999/v1"),
            ("ollama/x", "OLLAMA_HOST", ":9999", "http://127.0.0.1:9999/v1"),
            ("ollama/x", "OLLAMA_HOST", "https://gpu", "https://gpu/v1"),
            ("ollama/x", "OLLAMA_HOST", "[::1]", "http://[::1]:11434/v1"),
            ("vllm/x", "HOSTED_VLLM_API_BASE", "http://gpu:8000/v1", "http://gpu:8000/v1"),
        ] {
            assert_eq!(url(name, &[(var, value)]), format!("{expected}/chat/completions"), "{var}={value}");
        }
    }

    #[test]
    fn what_the_program_sets_wins_over_the_environment() {
        let env = [("OPENAI_BASE_URL", "http://env/v1"), ("OPENAI_API_KEY", "sk-env")];
        let set = client("openai/x").base_url("http://set/v1?api-version=1").api_key(" sk-set\n");
        let endpoint = set.endpoint(vars(&env)).unwrap();
        assert_eq!(endpoint.url.as_str(), "http://set/v1/chat/completions?api-version=1");
        assert_eq!(key(&endpoint), "sk-set");
        let marked = client("openai/x").base_url("http://set/v1?key=a#sk-set").api_key("sk-set");
        assert_eq!(marked.endpoint(vars(&env)).unwrap().shown(), "http://set/v1/chat/completions");
        let endpoint = client("openai/x").endpoint(vars(&env)).unwrap();
        assert_eq!((endpoint.host.as_str(), key(&endpoint)), ("env", "sk-env"));
    }

    #[test]
    fn an_address_that_ends_with_the_whole_path_is_taken_as_it_is() {
        let client = client("vllm/x").base_url("http://a:1/v1/chat/completions/");
        assert_eq!(client.endpoint(|_| None).unwrap().url.as_str(), "http://a:1/v1/chat/completions");
    }

    #[test]
    fn a_missing_key_names_the_variable_and_the_setter() {
        for client in [client("openrouter/x"), client("openrouter/x").api_key(" ")] {
            let error = client.endpoint(|_| None).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingKey);
            let text = error.to_string();
            assert!(text.contains("`OPENROUTER_API_KEY`") && text.contains("`.api_key(..)`"), "{text}");
        }
        assert!(client("llamacpp/x").endpoint(|_| None).unwrap().key.is_none());
    }

    #[test]
    fn an_address_that_cannot_be_used_is_a_config_error_that_shows_no_credentials() {
        for address in [
            "",
            "localhost:80/v1",
            "127.0.0.1:80",
            "ftp://a/v1",
            "http://",
            "https://me:hunter2@a/v1",
            "me:hunter2@a",
        ] {
            let set = client("openai/x")
                .api_key("sk-canary")
                .base_url(address)
                .endpoint(|_| None)
                .map(|_| ())
                .unwrap_err();
            assert!(set.is_config() && set.to_string().contains("`.base_url(..)`"), "{address}: {set}");
            assert!(!format!("{set} {set:?}").contains("hunter2"), "{set:?}");
        }
        let env = [("OLLAMA_HOST", "me:hunter2@gpu")];
        let error = client("ollama/x").endpoint(vars(&env)).map(|_| ()).unwrap_err();
        assert!(
            error.to_string().contains("`OLLAMA_HOST`") && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }
}
