//! The client of the Chat Completions API: sends one request and reads one answer; retries are made around it.

mod answer;
mod body;
mod endpoint;
mod headers;
mod messages;
mod status;
mod stream;
mod surrogates;
mod tool_calls;

use std::{
    fmt,
    pin::pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use self::endpoint::{Endpoint, FixedEndpoint, NamedBy, OwnAddress};
pub(crate) use self::headers::header;
use super::provider::Provider;
use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support, Timeouts},
    http::{Clients, Exchange, excerpt, rate_limit, transport},
    model::{BoxFuture, LanguageModel},
    polled_timeout::{timed, within},
    report::{Error, ErrorKind, Result},
};

/// After this time an answer without a token limit is worth a warning.
const LONG: Duration = Duration::from_secs(60);

/// A model behind a server that speaks the Chat Completions API. Cheap to clone.
///
/// Settings that the program left out are read from the environment at each request, so a program may load its `.env` late.
#[derive(Clone)]
pub(crate) struct ChatCompletions {
    provider: &'static Provider,
    name: Arc<str>,
    own_address: Option<Arc<OwnAddress>>,
    api_key: Option<SecretString>,
    is_key_over_http_allowed: bool,
    /// The program's headers.
    headers: HeaderMap,
    fixed_endpoint: FixedEndpoint,
    timeouts: Timeouts,
    http: Clients,
}

impl ChatCompletions {
    /// The client of this provider and model.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let (provider, model) = Provider::parse(name)?;
        Ok(Self::new(provider, model))
    }

    pub(crate) fn new(provider: &'static Provider, model: &str) -> Self {
        let name = format!("{}/{model}", provider.name).into();
        Self {
            provider,
            name,
            own_address: None,
            api_key: None,
            is_key_over_http_allowed: false,
            headers: HeaderMap::new(),
            fixed_endpoint: FixedEndpoint::new(),
            timeouts: Timeouts::new(),
            http: Clients::own(),
        }
    }

    pub(crate) fn base_url(self, url: impl Into<String>) -> Self {
        self.with_address(url, NamedBy::Program)
    }

    /// The address that the environment names beside the model.
    pub(crate) fn environment_url(self, url: impl Into<String>) -> Self {
        self.with_address(url, NamedBy::Environment)
    }

    /// # Errors
    /// [`is_config`](Error::is_config): the address that was set cannot be used.
    pub(crate) fn check_address(&self) -> Result<()> {
        self.own_address.as_deref().map_or(Ok(()), OwnAddress::check)
    }

    /// The address that a state file names.
    pub(crate) fn state_url(self, url: impl Into<String>) -> Self {
        self.with_address(url, NamedBy::State)
    }

    fn with_address(mut self, url: impl Into<String>, named: NamedBy) -> Self {
        self.own_address = Some(Arc::new(OwnAddress::new(&self.name, url.into(), named)));
        self.changed()
    }

    pub(crate) fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(SecretString::from(key.into()));
        self.changed()
    }

    pub(crate) fn allow_key_over_http(mut self, allow: bool) -> Self {
        self.is_key_over_http_allowed = allow;
        self.changed()
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self.changed()
    }

    fn changed(mut self) -> Self {
        self.fixed_endpoint = FixedEndpoint::new();
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    pub(crate) fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = Clients::given(client);
        self
    }

    /// The model's name in LiteLLM, which DSPy uses.
    pub(crate) fn litellm_name(&self) -> String {
        match self.provider.aliases.first() {
            Some(provider) => format!("{provider}/{}", self.model()),
            None => self.name.to_string(),
        }
    }

    pub(crate) fn own_base_url(&self) -> Option<&str> {
        self.own_address.as_deref().map(OwnAddress::given)
    }

    /// The name without the provider, as the server knows it.
    fn model(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(_, model)| model)
    }

    /// Sends a request, and warns once of a long answer without a token limit.
    async fn send(&self, request: &Request, sink: Option<&mut Sink<'_>>) -> Result<Response> {
        let is_stream = sink.is_some();
        let mut answer = pin!(self.ask(request, sink));
        if is_limited(request) {
            return answer.await;
        }
        // An answer in one piece is never taken slowly.
        let outcome = match is_stream {
            true => timed(Some(LONG), answer.as_mut()).await.0,
            false => within(LONG, answer.as_mut()).await,
        };
        match outcome {
            Some(outcome) => outcome,
            None => {
                tracing::warn!(
                    model = self.name(),
                    "an answer takes longer than {LONG:?} and has no limit of tokens: if the model rambles, set \
                     `.max_tokens(..)`"
                );
                answer.await
            }
        }
    }

    async fn ask(&self, request: &Request, sink: Option<&mut Sink<'_>>) -> Result<Response> {
        let endpoint = self.endpoint_for(&request.config, |var| std::env::var(var).ok())?;
        let call = Call { client: self, endpoint };
        let body = body::encode(&call, request, sink.is_some())?;
        let endpoint = &call.endpoint;
        if endpoint.key.is_some() && !endpoint.headers.contains_key(AUTHORIZATION) {
            return Err(
                call.error(ErrorKind::Config, "the API key has characters that no HTTP header can hold")
            );
        }
        let mut opened = transport::post(&call, body, &request.meter).await?;
        tracing::debug!(model = self.name(), host = call.endpoint.host, status = opened.status, "answered");
        let asked = body::asked(request);
        let rate_limit = rate_limit::read(&opened.headers);
        let is_declared = answer::is_event_stream(&opened.headers);
        let outcome = async {
            if !(200..300).contains(&opened.status) {
                return Err(status::refused(&call, &opened.reply(&call).await?));
            }
            // Some servers answer in one piece, or in events, whatever the request says.
            if opened.is_event_stream(&call, is_declared).await? {
                return stream::read(&call, opened, asked, sink.unwrap_or(&mut |_| {})).await;
            }
            answer::read(&call, &opened.reply(&call).await?, asked)
        };
        match outcome.await {
            Ok(response) => Ok(Response { rate_limit, ..response }),
            Err(error) => Err(rate_limit.into_iter().fold(error, Error::with_rate_limit)),
        }
    }
}

/// True if the request limits the answer's tokens.
fn is_limited(request: &Request) -> bool {
    const NAMES: [&str; 2] = ["max_tokens", "max_completion_tokens"];
    let params = &request.config.params;
    request.config.max_tokens.is_some()
        || NAMES.iter().any(|name| params.get(*name).is_some_and(|limit| !limit.is_null()))
}

impl LanguageModel for ChatCompletions {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        // Without an address there are no answers.
        let address = self.shown_address(|var| std::env::var(var).ok());
        address.map_or_else(
            || self.name.to_string(),
            |address| format!("{} {address}{}", self.name, headers::outline(&self.headers)),
        )
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send(request, sink))
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        self.provider.structured.supports(self.model(), format)
    }
}

/// The same server, model, key, headers and limits.
impl PartialEq for ChatCompletions {
    fn eq(&self, other: &Self) -> bool {
        fn key(client: &ChatCompletions) -> Option<&str> {
            client.api_key.as_ref().map(ExposeSecret::expose_secret)
        }
        let named = |client: &ChatCompletions| client.own_address.as_deref().map(OwnAddress::named);
        let same_server = self.name == other.name
            && self.own_base_url() == other.own_base_url()
            && named(self) == named(other)
            && self.is_key_over_http_allowed == other.is_key_over_http_allowed;
        let same_sender = key(self) == key(other) && self.headers == other.headers;
        same_server && same_sender && self.timeouts == other.timeouts && self.http.are(&other.http)
    }
}

/// By hand, so that neither the key nor an address's credentials and query are shown.
impl fmt::Debug for ChatCompletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatCompletions").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One request in flight: its client and endpoint, which every error message of this client names first.
struct Call<'a> {
    client: &'a ChatCompletions,
    endpoint: Arc<Endpoint>,
}

impl Call<'_> {
    /// An error whose message names the model and the host.
    fn error(&self, kind: ErrorKind, what: impl fmt::Display) -> Error {
        Error::new(kind, format!("`{}` at {}: {what}", self.client.name, self.endpoint.host))
    }

    /// The beginning of a server's text, for a message: on one line, without the API key and the program's headers.
    fn excerpt(&self, said: &[u8]) -> String {
        excerpt::excerpt(said, self.endpoint.secrets())
    }
}

impl Exchange for Call<'_> {
    fn url(&self) -> &Url {
        &self.endpoint.url
    }

    fn headers(&self) -> &HeaderMap {
        &self.endpoint.headers
    }

    fn clients(&self) -> &Clients {
        &self.client.http
    }

    fn timeouts(&self) -> &Timeouts {
        &self.client.timeouts
    }

    fn is_key_guarded(&self) -> bool {
        self.endpoint.is_key_guarded
    }

    fn key_in_clear(&self, to: &str) -> Error {
        Error::config(self.client.key_in_clear(&self.endpoint.host, to))
    }

    fn error_of(&self, kind: ErrorKind, what: &dyn fmt::Display) -> Error {
        self.error(kind, what)
    }

    fn excerpt(&self, said: &[u8]) -> String {
        Call::excerpt(self, said)
    }

    fn address_setting(&self) -> String {
        self.client.address_setting()
    }

    fn how_to_start(&self) -> String {
        let model = self.client.model();
        let command = match self.client.provider.name {
            "ollama" => "ollama serve".to_owned(),
            "vllm" => format!("vllm serve {model}"),
            "sglang" => format!("python -m sglang.launch_server --model-path {model}"),
            "llamacpp" => "llama-server -m <model>.gguf".to_owned(),
            _ => return "start it".to_owned(),
        };
        format!("start it with `{command}`")
    }
}

/// A call for the unit tests of this room: `openai/x` at `127.0.0.1:1` with the key `sk-canary`.
#[cfg(test)]
fn with_call<T>(test: impl FnOnce(&Call<'_>) -> T) -> T {
    let (provider, model) = Provider::parse("openai/x").unwrap();
    let client = ChatCompletions::new(provider, model).base_url("http://127.0.0.1:1/v1").api_key("sk-canary");
    let endpoint = client.endpoint(|_| None).unwrap();
    test(&Call { client: &client, endpoint })
}

/// Reads a body as the answer to a request for two completions; for fuzzing and property tests, which have no server.
pub fn read_body(body: &[u8]) -> Result<Response> {
    static CLIENT: LazyLock<Option<ChatCompletions>> = LazyLock::new(|| {
        let (provider, model) = Provider::parse("openai/x").ok()?;
        // A client without a key is an error, and no body would be read.
        Some(ChatCompletions::new(provider, model).base_url("http://127.0.0.1:1/v1").api_key("-"))
    });
    static CALL: LazyLock<Option<Call<'_>>> = LazyLock::new(|| {
        let client = CLIENT.as_ref()?;
        Some(Call { client, endpoint: client.endpoint(|_| None).ok()? })
    });
    let call = CALL.as_ref().ok_or_else(|| Error::config("no such provider"))?;
    let json = http::HeaderValue::from_static("application/json");
    let headers = [(http::header::CONTENT_TYPE, json)].into_iter().collect();
    answer::read(
        call,
        &transport::HttpReply { status: 200, headers, body: body.to_vec() },
        body::Asked { completions: 2, tools: false },
    )
}
