//! Where a request goes and with which key and headers: what the program set, else the environment, else the provider's usual address.

use std::sync::{Arc, OnceLock};

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{ChatCompletions, headers};
use crate::{
    error::{Error, ErrorKind, Result},
    lm::Config,
};

/// A key shorter than this is a placeholder (`x`, `-`): taking it out would only garble a message.
const SHORTEST_KEY: usize = 4;

/// Where the provider's usual address stands.
const TABLE: &str = "the provider's table";

/// Where a request goes. Never printed whole: addresses may hold secrets.
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// The same for the HTTP client.
    pub(super) uri: Uri,
    /// Host and port alone, for messages.
    pub(super) host: String,
    pub(super) key: Option<SecretString>,
    /// Whether the key may not go to another machine in clear: nobody has named this key for this address.
    pub(super) is_key_guarded: bool,
    /// The headers of a request; without the key where none can hold it.
    pub(super) headers: HeaderMap,
    /// What the program's headers hold; see [`secrets`](Endpoint::secrets).
    header_secrets: Vec<SecretString>,
}

impl Endpoint {
    /// The program's own headers go before those that stand here.
    fn new(Address { url, uri, host, .. }: Address, key: Option<Key>, own: &HeaderMap) -> Self {
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
        // Else the client would write it anew for each request. HTTP/2, which TLS may lead to, has its own place for it.
        if url.scheme() == "http" {
            headers.extend(HeaderValue::try_from(&host).ok().map(|host| (HOST, host)));
        }
        headers::put_over(&mut headers, own);
        let header_secrets = headers::secrets(own).into_iter().map(SecretString::from).collect();
        Self { url, uri, host, key: key.map(SecretString::from), is_key_guarded, headers, header_secrets }
    }

    /// What no text may hold that is shown.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let key = self.key.iter().filter(|key| key.expose_secret().len() >= SHORTEST_KEY);
        self.header_secrets.iter().chain(key).map(ExposeSecret::expose_secret)
    }
}

/// The key that a request has.
struct Key {
    text: String,
    is_guarded: bool,
}

/// Who named an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The program, its environment, or the provider's table.
    ByProgram,
    /// A state file, which may be somebody else's: it gets no key of the environment.
    ByState,
}

/// An address that was set, read once: it is the same at every call.
pub(super) struct OwnAddress {
    given: String,
    named: Named,
    read: Result<Address>,
}

impl OwnAddress {
    /// For the model of this name.
    pub(super) fn new(model: &str, given: String, named: Named) -> Self {
        let origin = match named {
            Named::ByProgram => "`.base_url(..)`",
            Named::ByState => "the state file",
        };
        let read = parse_url(model, &given, origin).and_then(|url| Address::new(model, url, origin));
        let read = read.map(|address| Address { named, ..address });
        Self { given, named, read }
    }

    pub(super) fn named(&self) -> Named {
        self.named
    }

    pub(super) fn given(&self) -> &str {
        &self.given
    }
}

/// Where requests go: with the path of the API, and the host and port for messages.
#[derive(Clone)]
struct Address {
    url: Url,
    uri: Uri,
    host: String,
    named: Named,
}

impl Address {
    fn new(model: &str, mut url: Url, origin: &str) -> Result<Self> {
        complete_path(&mut url);
        // It is never sent, and would be shown.
        url.set_fragment(None);
        let host = host(&url);
        // Of what is a URL, next to nothing is no URI.
        let uri = Uri::try_from(url.as_str()).map_err(|error| {
            Error::config(format!("`{model}`: the address in {origin} cannot be asked over HTTP ({error})"))
        })?;
        Ok(Self { url, uri, host, named: Named::ByProgram })
    }

    /// The address without its query, which may hold a key.
    fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.into()
    }

    /// True if what is sent there can be read on the way by other machines.
    fn is_open_to_others(&self) -> bool {
        self.url.scheme() == "http" && !self.url.host().is_some_and(is_this_machine)
    }
}

/// An endpoint that is the same at every call, once it is known: nothing of it stands in the environment.
pub(super) type Settled = OnceLock<Arc<Endpoint>>;

impl ChatCompletions {
    /// Host and port; `None` where there is no address that can be used.
    pub(crate) fn server(&self) -> Option<(String, u16)> {
        let url = self.address(|var| std::env::var(var).ok()).ok()?.url;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    }

    /// The address as it may be shown, whether there is a key for it or not: a request may bring its own.
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

    /// The text with stars in place of the API key and of what the LM's headers hold.
    pub(crate) fn without_key(&self, text: String) -> String {
        let Ok(endpoint) = self.endpoint(|var| std::env::var(var).ok()) else { return text };
        endpoint.secrets().fold(text, |text, secret| match text.contains(secret) {
            true => text.replace(secret, "***"),
            false => text,
        })
    }

    /// Where a request of this config goes, with the headers that it has beside the LM's.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint)'s; [`is_config`](Error::is_config): headers that HTTP does not have.
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
        if let Some(settled) = self.settled.get() {
            return Ok(settled.clone());
        }
        let endpoint = Arc::new(self.read_endpoint(env, &self.headers)?);
        if self.own_address.is_some() && self.api_key.is_some() {
            let _ = self.settled.set(endpoint.clone());
        }
        Ok(endpoint)
    }

    fn read_endpoint(&self, env: impl Fn(&str) -> Option<String>, own: &HeaderMap) -> Result<Endpoint> {
        let address = self.address(&env)?;
        let has_credentials = headers::have_credentials(own);
        let key = match &self.api_key {
            Some(key) => Some(Key { text: key.expose_secret().trim().to_owned(), is_guarded: false }),
            // The environment's is for those who bring none.
            None if has_credentials => None,
            None => self.environment_key(&address, set(env))?,
        };
        let key = key.filter(|key| !key.text.is_empty());
        if key.is_none() && self.provider.key_required && !has_credentials {
            let how = match address.named {
                Named::ByProgram => {
                    format!(
                        "set the environment variable `{}`, or call `.api_key(..)`",
                        self.provider.key_var
                    )
                }
                Named::ByState => {
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

    /// The key that the environment has for the provider, where it may be sent to this address.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): other machines could read it on the way.
    fn environment_key(
        &self,
        address: &Address,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Key>> {
        let var = self.provider.key_var;
        let Some(text) = env(var).filter(|_| address.named == Named::ByProgram) else { return Ok(None) };
        if address.is_open_to_others() && !self.is_key_over_http_allowed {
            return Err(Error::config(self.key_in_clear(&address.host, "to another machine")));
        }
        Ok(Some(Key { text, is_guarded: !self.is_key_over_http_allowed }))
    }

    /// Why the environment's key is not sent to this host, and how it is.
    pub(super) fn key_in_clear(&self, host: &str, to: &str) -> String {
        format!(
            "`{}` at {host}: not sent: the key of the environment variable `{}` would go {to} in clear, over http. Use an \
             address that begins with `https://`, set the key of this server with `.api_key(..)`, or allow it with \
             `.allow_key_over_http(true)`",
            self.name, self.provider.key_var
        )
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

/// The variables that are set: one that is blank is not.
pub(in crate::lm) fn set(env: impl Fn(&str) -> Option<String>) -> impl Fn(&str) -> Option<String> {
    move |var| env(var).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// True for a host that is this machine, whatever the network.
pub(super) fn is_this_machine(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
        Host::Ipv6(address) => {
            let v4 = address.to_ipv4_mapped();
            address.is_loopback()
                || address.is_unspecified()
                || v4.is_some_and(|address| address.is_loopback())
        }
    }
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
        let env = [("OPENAI_BASE_URL", "https://env/v1"), ("OPENAI_API_KEY", "sk-env")];
        let set = client("openai/x").base_url("http://set/v1?api-version=1").api_key(" sk-set\n");
        let endpoint = set.endpoint(vars(&env)).unwrap();
        assert_eq!(endpoint.url.as_str(), "http://set/v1/chat/completions?api-version=1");
        assert_eq!(key(&endpoint), "sk-set");
        let marked = client("openai/x").base_url("http://set/v1?key=a#sk-set").api_key("sk-set");
        assert_eq!(marked.shown_address(vars(&env)).unwrap(), "http://set/v1/chat/completions");
        let keyless = client("groq/x").base_url("http://set/v1");
        assert_eq!(keyless.shown_address(|_| None).unwrap(), "http://set/v1/chat/completions");
        let endpoint = client("openai/x").endpoint(vars(&env)).unwrap();
        assert_eq!((endpoint.host.as_str(), key(&endpoint)), ("env", "sk-env"));
    }

    #[test]
    fn the_environments_key_goes_in_clear_to_this_machine_alone() {
        let env = [("OPENAI_API_KEY", "sk-env"), ("LLAMA_API_KEY", "sk-env")];
        let client = |url: &str| client("openai/x").base_url(url);
        for url in [
            "http://127.0.0.1:1/v1",
            "http://127.9.9.9/v1",
            "http://localhost/v1",
            "http://LOCALHOST.:1/v1",
            "http://a.localhost/v1",
            "http://[::1]/v1",
            "http://[::ffff:127.0.0.1]/v1",
            "http://0.0.0.0:1/v1",
            "https://gpu/v1",
            "https://10.0.0.1/v1",
        ] {
            assert_eq!(key(&client(url).endpoint(vars(&env)).unwrap()), "sk-env", "{url}");
        }
        for url in [
            "http://gpu:8000/v1",
            "http://10.0.0.1/v1",
            "http://localhost.evil.com/v1",
            "http://127.0.0.1.evil.com/v1",
            "http://evil.com/localhost",
            "http://evil.com#@localhost",
            "http://mylocalhost/v1",
            "http://[::2]/v1",
        ] {
            let error = client(url).endpoint(vars(&env)).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
            let text = error.to_string();
            for part in ["`OPENAI_API_KEY`", "`.allow_key_over_http(true)`", "`.api_key(..)`", "in clear"] {
                assert!(text.contains(part), "{url}: {text}");
            }
            assert!(!text.contains("sk-env"), "{text}");
            let allowed = client(url).allow_key_over_http(true).endpoint(vars(&env)).unwrap();
            assert_eq!((key(&allowed), allowed.is_key_guarded), ("sk-env", false));
            assert_eq!(key(&client(url).api_key("sk-own").endpoint(vars(&env)).unwrap()), "sk-own");
        }
        // Nor where the environment itself has the address, and where the key is none that is needed.
        let both = [("LLAMACPP_BASE_URL", "http://gpu:1"), ("LLAMA_API_KEY", "sk-env")];
        assert!(self::client("llamacpp/x").endpoint(vars(&both)).map(|_| ()).unwrap_err().is_config());
        assert!(self::client("llamacpp/x").endpoint(vars(&both[..1])).unwrap().key.is_none());
    }

    #[test]
    fn an_address_of_a_state_file_gets_no_key_of_the_environment() {
        let env = [("OPENAI_API_KEY", "sk-env"), ("VLLM_API_KEY", "sk-env")];
        for url in ["https://gpu/v1", "http://127.0.0.1:1/v1", "https://api.openai.com/v1"] {
            let error = client("openai/x").state_url(url).endpoint(vars(&env)).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingKey, "{error}");
            assert!(
                error.to_string().contains("state file") && !error.to_string().contains("sk-env"),
                "{error}"
            );
            assert!(client("vllm/x").state_url(url).endpoint(vars(&env)).unwrap().key.is_none());
            let own = client("openai/x").state_url(url).api_key("sk-own");
            assert_eq!(key(&own.endpoint(vars(&env)).unwrap()), "sk-own");
            let named = client("openai/x").state_url("http://other/v1").base_url(url);
            assert_eq!(key(&named.endpoint(vars(&env)).unwrap()), "sk-env");
        }
    }

    fn with_header(client: ChatCompletions, name: &str, value: &str) -> ChatCompletions {
        let (name, value) = headers::header(name, value).unwrap();
        client.header(name, value)
    }

    #[test]
    fn a_header_of_the_programs_goes_before_karats_own() {
        let env = [("OPENAI_API_KEY", "sk-env")];
        for name in ["Authorization", "api-key", "X-Api-Key"] {
            let endpoint = with_header(client("openai/x"), name, "own").endpoint(vars(&env)).unwrap();
            assert_eq!(endpoint.headers[name], "own");
            assert_eq!(endpoint.headers.contains_key(AUTHORIZATION), name == "Authorization");
            // The key that the program set is sent beside it, unless it has the same place.
            let both =
                with_header(client("openai/x").api_key("sk-own"), name, "own").endpoint(|_| None).unwrap();
            let expected = if name == "Authorization" { "own" } else { "Bearer sk-own" };
            assert_eq!(both.headers[AUTHORIZATION], expected);
        }
        let other = with_header(client("openai/x"), "user-agent", "mine").endpoint(vars(&env)).unwrap();
        assert_eq!(
            (&other.headers[USER_AGENT], &other.headers[AUTHORIZATION]),
            (&"mine".parse().unwrap(), &"Bearer sk-env".parse().unwrap())
        );
        let twice = with_header(with_header(client("openai/x"), "x-a", "1"), "X-A", "2");
        assert_eq!(
            twice.endpoint(vars(&env)).unwrap().headers.get_all("x-a").iter().collect::<Vec<_>>(),
            ["2"]
        );
    }

    #[test]
    fn the_headers_of_a_request_go_before_those_of_its_lm() {
        let config = |headers: serde_json::Value| Config {
            params: [("extra_headers".to_owned(), headers)].into(),
            ..Config::default()
        };
        let lm = with_header(with_header(client("openai/x"), "x-a", "lm"), "x-b", "lm");
        let given = config(serde_json::json!({"X-A": "request", "authorization": "Basic eA=="}));
        let endpoint = lm.endpoint_for(&given, |_| None).unwrap();
        let shown =
            ["x-a", "x-b", "authorization"].map(|name| endpoint.headers[name].to_str().unwrap().to_owned());
        assert_eq!(shown, ["request", "lm", "Basic eA=="]);
        let error = lm.endpoint_for(&config(serde_json::json!("x")), |_| None).map(|_| ()).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("`extra_headers`"), "{error}");
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
