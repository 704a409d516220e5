//! The handle [`Lm`]: a model, how to generate with it, and the layers around it.

mod cache;
mod environment;
mod history;
mod limits;
mod metered;
mod prices;
mod process_default;
mod record;
mod retry;
mod sending;
mod spans;
mod stack;

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Map, Value};
use tracing::Instrument;

pub use self::process_default::{configure, configured};
use self::{metered::Metered, stack::Layers};
use crate::{
    data::{Caller, Config, Price, Request, Response, ResponseFormat, Sink, Support, params::Params},
    layers::{
        history::{Log, LoggedCall},
        retry::Policy,
    },
    model::{LanguageModel, Layer},
    providers::chat_completions::ChatCompletions,
    report::{Error, ErrorKind, Result},
    telemetry,
};

/// A language model and how to generate with it: a handle that is cheap to clone.
///
/// The setters take it by value and leave other clones as they are.
///
/// ```no_run
/// use karat::Lm;
///
/// # fn main() -> karat::Result<()> {
/// let lm = Lm::new("openai/gpt-4o-mini")?.temperature(0.2).max_tokens(300);
/// let local = Lm::new("llamacpp/smollm2")?.base_url("http://127.0.0.1:8080/v1").param("top_k", 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "its setters take it by value and return it"]
pub struct Lm {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    model: Model,
    layers: Layers,
    price: Option<Price>,
    config: Config,
    /// Keys of a DSPy state file that karat does not use; kept for the next file.
    foreign_state: Arc<Map<String, Value>>,
    /// A setter's mistake, returned by the first call: setters return no `Result`.
    mistake: Option<Error>,
    warned: Arc<Warned>,
    /// The calls so far, shared with all clones; `None` where no history is wanted.
    log: Option<Arc<Log>>,
    /// Whether prompts and completions go to the spans.
    records_content: bool,
}

/// The model behind a handle.
#[derive(Clone)]
pub(crate) enum Model {
    /// A client of karat's, whose address and key may still be set.
    Client(Box<ChatCompletions>),
    /// The program's own.
    Custom(Arc<dyn LanguageModel>),
}

impl Model {
    fn get(&self) -> &dyn LanguageModel {
        match self {
            Self::Client(client) => &**client,
            Self::Custom(model) => &**model,
        }
    }

    fn client(&self) -> Option<&ChatCompletions> {
        match self {
            Self::Client(client) => Some(client),
            Self::Custom(_) => None,
        }
    }
}

/// Warnings already logged: each is logged once for all clones.
#[derive(Default)]
struct Warned {
    of_rollouts: AtomicBool,
    of_completions: AtomicBool,
}

impl Lm {
    /// A model by its provider and name, e.g. `openai/gpt-4o-mini`. Providers: `openai`, `ollama`, `vllm`, `sglang`,
    /// `llamacpp`, `openrouter`, `groq`, `deepseek`, `together`.
    ///
    /// The API key is read from the provider's usual environment variable (`OPENAI_API_KEY`, ...) when none is set with
    /// [`api_key`](Lm::api_key); it goes in clear to [no other machine](Lm::allow_key_over_http), and to no address of a state file.
    /// [`from_env`](Lm::from_env) takes the model from the environment too. Nothing is sent before the first call. Transient failures are [retried](Lm::retry), for up to
    /// 600 s in all ([`deadline`](Lm::deadline)). Requests go through the proxy that `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` names,
    /// but for the hosts of `NO_PROXY`; no redirect is followed.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): the name has no provider, or an unknown one; or karat is built without its feature `http`.
    pub fn new(name: &str) -> Result<Self> {
        let client = ChatCompletions::open(name)?;
        let lm = Self::from_model(Model::Client(Box::new(client)));
        Ok(lm.with_policy(|policy| *policy = Policy::usual()))
    }

    /// A model of your own.
    pub fn custom(model: impl LanguageModel) -> Self {
        Self::from_model(Model::Custom(Arc::new(Metered(model))))
    }

    pub(crate) fn from_model(model: Model) -> Self {
        let log = Some(Arc::new(Log::usual(model.get().name())));
        let inner = Inner {
            model,
            layers: Layers::default(),
            price: None,
            config: Config::default(),
            foreign_state: Arc::default(),
            mistake: None,
            warned: Arc::default(),
            log,
            records_content: false,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Puts a layer of your own around the model, and around the layers that it has.
    pub fn layer(self, layer: impl Layer) -> Self {
        self.with_layers(|layers| layers.add(Arc::new(layer)))
    }

    fn with_layers(mut self, set: impl FnOnce(&mut Layers)) -> Self {
        set(&mut Arc::make_mut(&mut self.inner).layers);
        self
    }

    fn with_config(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut Arc::make_mut(&mut self.inner).config);
        self
    }

    /// The sampling temperature, 0.0 for greedy.
    pub fn temperature(self, temperature: f64) -> Self {
        self.with_config(|config| config.temperature = Some(temperature))
    }

    /// The most tokens to generate per completion.
    pub fn max_tokens(self, tokens: u32) -> Self {
        self.with_config(|config| config.max_tokens = Some(tokens))
    }

    /// The id of the first rollout of a `BestOfN`; part of a cache's key, so equal requests of two ids differ there.
    pub fn rollout_id(self, id: u64) -> Self {
        self.with_config(|config| config.rollout_id = Some(id))
    }

    /// The sampler's seed.
    pub fn seed(self, seed: u64) -> Self {
        self.with_config(|config| config.seed = Some(seed))
    }

    /// Any further parameter of the provider, e.g. `.param("top_k", 5)`. It replaces what karat would send under that name; null
    /// omits it: `.param("stream_options", Value::Null)`. Entries of `extra_body` go into the body itself, and entries of
    /// `extra_headers` into the HTTP headers, as in DSPy; see [`header`](Lm::header).
    ///
    /// ```
    /// use karat::Lm;
    /// use serde_json::{Value, json};
    ///
    /// # fn main() -> karat::Result<()> {
    /// let lm = Lm::new("openai/mistral-small")?
    ///     .base_url("https://api.mistral.ai/v1")
    ///     .param("stream_options", Value::Null) // this API refuses it
    ///     .param("extra_headers", json!({"X-Title": "my app"}));
    /// # Ok(())
    /// # }
    /// ```
    pub fn param(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with_config(|config| {
            config.params.insert(name.into(), value.into());
        })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        self.inner.model.get().name()
    }

    /// The name by which DSPy knows the model; `None` for a model of the program's own.
    #[doc(hidden)]
    pub fn litellm_name(&self) -> Option<String> {
        self.inner.model.client().map(ChatCompletions::litellm_name)
    }

    /// The address that the program set.
    #[doc(hidden)]
    pub fn own_base_url(&self) -> Option<&str> {
        self.inner.model.client()?.own_base_url()
    }

    /// See [`Inner::foreign_state`].
    #[doc(hidden)]
    pub fn foreign_state(&self) -> &Map<String, Value> {
        &self.inner.foreign_state
    }

    /// Sets the config and the unused keys of a state file.
    #[doc(hidden)]
    pub fn with_state(mut self, config: Config, foreign: Map<String, Value>) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.config = config;
        inner.foreign_state = Arc::new(foreign);
        self
    }

    /// The handle's settings for generation.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The model's [identity](LanguageModel::identity).
    pub(crate) fn identity(&self) -> String {
        self.inner.model.get().identity()
    }

    /// How far the model can be held to a response format; known without a call.
    pub fn supports(&self, format: &ResponseFormat) -> Support {
        self.inner.model.get().supports(format)
    }

    /// Sends one request, with `request.config` over this handle's own.
    ///
    /// # Errors
    /// The model's.
    pub async fn complete(&self, request: Request) -> Result<Response> {
        self.send(None, request, None).await.map(Arc::unwrap_or_clone)
    }

    /// [`complete`](Lm::complete) for a known caller: its name goes to the [history](Lm::history), which shares the response.
    ///
    /// # Errors
    /// The model's.
    ///
    /// ```
    /// use karat::{Reply, ScriptedLm, lm::{Caller, CallerId, Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// let lm = ScriptedLm::new([Reply::text("hello")]).lm();
    /// let me = Caller::new("greeter", CallerId::unique());
    /// lm.complete_for(me, Request::new(vec![Message::user("hi")])).await?;
    /// assert_eq!(lm.history()[0].predictor(), Some("greeter"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn complete_for(&self, caller: Caller, request: Request) -> Result<Arc<Response>> {
        self.send(Some(caller), request, None).await
    }

    /// [`complete_for`](Lm::complete_for), streamed: the sink gets the answer piece by piece while the model writes it.
    ///
    /// # Errors
    /// The model's.
    ///
    /// ```
    /// use karat::{Reply, ScriptedLm, lm::{Caller, CallerId, Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// let lm = ScriptedLm::new([Reply::pieces(["he", "llo"])]).lm();
    /// let me = Caller::new("greeter", CallerId::unique());
    /// let mut heard = Vec::new();
    /// let request = Request::new(vec![Message::user("hi")]);
    /// let response = lm.stream_for(me, request, &mut |delta| heard.push(delta.text.to_owned())).await?;
    /// assert_eq!(heard, ["he", "llo"]);
    /// assert_eq!(response.completions[0].text, "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream_for(
        &self,
        caller: Caller,
        request: Request,
        sink: &mut Sink<'_>,
    ) -> Result<Arc<Response>> {
        self.send(Some(caller), request, Some(sink)).await
    }

    pub(crate) async fn send(
        &self,
        caller: Option<Caller>,
        mut request: Request,
        sink: Option<&mut Sink<'_>>,
    ) -> Result<Arc<Response>> {
        if let Some(mistake) = &self.inner.mistake {
            return Err(mistake.clone());
        }
        request.config = self.inner.config.overridden_by(&request.config);
        self.warn_once_of_equal_answers(&request.config);
        let caller = caller.or_else(|| request.caller.take());
        request.caller.clone_from(&caller);
        let meter = request.meter.part();
        request.meter = meter.clone();
        let call = LoggedCall::new(self.inner.log.as_deref(), caller, request);
        let redact = |text| self.without_key(text);
        let redact = self.inner.records_content.then_some(&redact as telemetry::Redact<'_>);
        let span = telemetry::lm(|| {
            let (provider, model) = self.provider_and_model();
            let (server, request) = (self.server(), call.request());
            telemetry::LmCall { provider, model, server, request, is_stream: sink.is_some(), redact }
        });
        let answer =
            self.inner.layers.around(self.inner.model.get()).call(call.request(), sink.map(|sink| sink as _));
        let answer = if span.is_heard() { answer.instrument(span.get()).await } else { answer.await };
        let outcome = answer.and_then(|mut response| {
            if response.completions.is_empty() {
                let message = format!("the model `{}` returned no completion", self.name());
                return Err(Error::new(ErrorKind::BadResponse, message).with_usage(response.usage));
            }
            let usage = &mut response.usage;
            usage.calls = meter.at_least(usage.sent_calls()).saturating_add(usage.cached_calls);
            if let Some(price) = &self.inner.price {
                response.usage.cost = price.of(&response.usage);
                response.usage.priced_calls = response.usage.sent_calls();
            }
            Ok(Arc::new(response))
        });
        let outcome = outcome.map_err(|error| {
            let mut usage = error.spent();
            usage.calls = meter.sent().saturating_add(usage.cached_calls);
            if let Some(price) = &self.inner.price {
                usage.cost = price.of(&usage);
            }
            let error = error.with_usage(usage);
            match meter.sent() {
                0 => error,
                sent => error.with_attempts(u32::try_from(sent).unwrap_or(u32::MAX)),
            }
        });
        span.end_lm(redact, &outcome);
        call.end(&outcome);
        outcome
    }

    /// Warns once where answers may be equal: rollouts at temperature 0 differ only by an id that the provider never sees, and
    /// several completions of one request by nothing.
    fn warn_once_of_equal_answers(&self, config: &Config) {
        let params = Params::of(config);
        let temperature = params.temperature(config);
        let equal = temperature == Some(0.0) && config.rollout_id.is_some();
        if equal && !self.inner.warned.of_rollouts.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                model = self.name(),
                "a rollout id at temperature 0: the rollouts cannot differ; set a temperature above 0"
            );
        }
        let equal =
            temperature.is_none_or(|temperature| temperature == 0.0) && params.completions(config) > 1;
        if equal && !self.inner.warned.of_completions.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                model = self.name(),
                temperature = temperature.map_or("not set", |_| "0"),
                "several completions (`n` above 1) without a temperature above 0: they may all be the same; set one, e.g. \
                 `.temperature(0.7)`"
            );
        }
    }
}

/// [`Lm::new`], for settings that are read as text: `"openai/gpt-4o-mini".parse::<Lm>()`.
impl FromStr for Lm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

/// Its [name](Lm::name).
impl fmt::Display for Lm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Lm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lm")
            .field("name", &self.name())
            .field("config", self.config())
            .finish_non_exhaustive()
    }
}

/// Equal if they are the same model generating in the same way: the same address and key, or the same object of your own, with
/// clones of the same cache, limits and layers, and equal retries; whatever their histories.
impl PartialEq for Lm {
    fn eq(&self, other: &Self) -> bool {
        let same_model = match (&self.inner.model, &other.inner.model) {
            (Model::Client(client), Model::Client(other)) => client == other,
            (Model::Custom(model), Model::Custom(other)) => Arc::ptr_eq(model, other),
            _ => false,
        };
        same_model && self.inner.layers == other.inner.layers && self.config() == other.config()
    }
}
