//! Setters of an [`Lm`]'s address, key, headers and HTTP client.

use std::sync::Arc;

use super::{Lm, Model};
use crate::{
    providers::chat_completions::{self, ChatCompletions},
    report::{Error, Result},
};

impl Lm {
    /// The address of the API, up to and without `/chat/completions`.
    pub fn base_url(self, url: impl Into<String>) -> Self {
        self.with_client("base_url", |client| client.base_url(url))
    }

    /// The address that a state file names: no key of the environment is sent there.
    #[doc(hidden)]
    pub fn state_url(self, url: impl Into<String>) -> Self {
        self.with_client("base_url", |client| client.state_url(url))
    }

    /// The address that the environment names beside the model.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): it cannot be used.
    pub(crate) fn environment_url(self, url: impl Into<String>) -> Result<Self> {
        let lm = self.with_client("base_url", |client| client.environment_url(url));
        lm.inner.model.client().map_or(Ok(()), ChatCompletions::check_address)?;
        Ok(lm)
    }

    /// The API key. It is sent to the provider and shown nowhere.
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.with_client("api_key", |client| client.api_key(key))
    }

    /// Allows the provider's key from the environment to go over `http://` to another machine, where others on the way can read it.
    /// Without it such a call is an [`is_config`](Error::is_config) error before anything is sent. A key that is set with
    /// [`api_key`](Lm::api_key) goes where the program says.
    ///
    /// ```
    /// # fn main() -> karat::Result<()> {
    /// // The key is in `VLLM_API_KEY`, and the network is our own.
    /// let lm = karat::Lm::new("vllm/qwen")?.base_url("http://gpu:8000/v1").allow_key_over_http(true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_key_over_http(self, allow: bool) -> Self {
        self.with_client("allow_key_over_http", |client| client.allow_key_over_http(allow))
    }

    /// A further HTTP header of every request: a gateway's key, OpenRouter's `X-Title`, Azure's `api-key`. The same name again
    /// replaces it; for one call there is the parameter `extra_headers`, which overrides it.
    ///
    /// It replaces a header that karat would send. With `authorization`, `api-key` or `x-api-key` no key of the environment is
    /// needed or sent. The value is treated as a secret: it appears in no file, log, message or history, and the keys of a
    /// [`Cache`](crate::Cache) cover only its hash.
    ///
    /// A name or value that HTTP does not allow, or a header that the HTTP client itself writes (`content-length`, ..), is an
    /// [`is_config`](Error::is_config) error of the first call, before anything is sent.
    ///
    /// ```
    /// # fn main() -> karat::Result<()> {
    /// # let key = "..";
    /// let lm = karat::Lm::new("openai/gpt-4o-mini")?
    ///     .base_url("https://my-resource.openai.azure.com/openai/v1")
    ///     .header("api-key", key);
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match chat_completions::header(name.as_ref(), value.as_ref()) {
            Ok((name, value)) => self.with_client("header", |client| client.header(name, value)),
            Err(what) => {
                let mistake = Error::config(format!("`{}`: not sent: `.header(..)`: {what}", self.name()));
                self.with_mistake(mistake)
            }
        }
    }

    /// The HTTP client to send with, in place of the handle's own: for proxies, certificates, a Unix socket, HTTP/2 by prior
    /// knowledge. It keeps its own settings: where it follows redirects or tries again, its requests are not counted, and an answer
    /// from another address is an [`is_config`](Error::is_config) error. `Lm`'s limits hold beside its own, but for
    /// [`Timeouts::connect`](crate::Timeouts::connect), which is the client's.
    ///
    /// ```no_run
    /// use karat::Lm;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).http2_prior_knowledge().build()?;
    /// let lm = Lm::new("vllm/qwen3")?.base_url("http://127.0.0.1:8000/v1").http_client(client);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "http")]
    pub fn http_client(self, client: reqwest::Client) -> Self {
        self.with_client("http_client", |own| own.http_client(client))
    }

    pub(crate) fn with_client(
        mut self,
        setter: &str,
        set: impl FnOnce(ChatCompletions) -> ChatCompletions,
    ) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        match &mut inner.model {
            Model::Client(client) => {
                **client = set((**client).clone());
                inner.layers.invalidate();
            }
            Model::Custom(model) => {
                let name = model.name();
                let message = format!(
                    "`{setter}` does not apply to the custom model `{name}`: set it where that model is made"
                );
                return self.with_mistake(Error::config(message));
            }
        }
        self
    }

    /// Keeps a setter's mistake for the first call.
    pub(crate) fn with_mistake(mut self, mistake: Error) -> Self {
        Arc::make_mut(&mut self.inner).mistake.get_or_insert(mistake);
        self
    }
}
