//! Replaces the HTTP clients where the feature `http` is off: `Lm::new` returns an error.

use super::provider::Provider;
use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support, Timeouts},
    model::{BoxFuture, LanguageModel},
    report::{Error, Result},
};

/// A client that cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ChatCompletions {}

impl ChatCompletions {
    /// # Errors
    /// Always.
    pub(crate) fn open(name: &str) -> Result<Self> {
        Provider::parse(name)?;
        Err(Error::config(format!(
            "no client for `{name}`: karat is built without its feature `http`; switch it on, or use a model of your own with \
             `Lm::custom(..)`"
        )))
    }

    pub(crate) fn base_url(self, _url: impl Into<String>) -> Self {
        match self {}
    }

    pub(crate) fn environment_url(self, _url: impl Into<String>) -> Self {
        match self {}
    }

    pub(crate) fn check_address(&self) -> Result<()> {
        match *self {}
    }

    pub(crate) fn state_url(self, _url: impl Into<String>) -> Self {
        match self {}
    }

    pub(crate) fn api_key(self, _key: impl Into<String>) -> Self {
        match self {}
    }

    pub(crate) fn allow_key_over_http(self, _allow: bool) -> Self {
        match self {}
    }

    pub(crate) fn header(self, _name: (), _value: ()) -> Self {
        match self {}
    }

    pub(crate) fn timeouts(self, _timeouts: Timeouts) -> Self {
        match self {}
    }

    pub(crate) fn litellm_name(&self) -> String {
        match *self {}
    }

    pub(crate) fn own_base_url(&self) -> Option<&str> {
        match *self {}
    }

    pub(crate) fn server(&self) -> Option<(String, u16)> {
        match *self {}
    }

    pub(crate) fn without_key(&self, _text: String) -> String {
        match *self {}
    }
}

/// A header of a request that is never sent.
pub(crate) fn header(_name: &str, _value: &str) -> Result<((), ()), String> {
    Ok(((), ()))
}

impl LanguageModel for ChatCompletions {
    fn name(&self) -> &str {
        match *self {}
    }

    fn call<'a>(
        &'a self,
        _request: &'a Request,
        _sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        match *self {}
    }

    fn supports(&self, _format: &ResponseFormat) -> Support {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{handle::Lm, report::ErrorKind};

    #[test]
    fn without_http_a_known_model_is_an_error_that_names_the_feature() {
        let error = Lm::new("openai/gpt-4o-mini").unwrap_err();
        assert!(error.is_config() && error.to_string().contains("feature `http`"), "{error}");
        assert_eq!(Lm::new("gpt-4o-mini").unwrap_err().kind(), ErrorKind::Config);
    }
}
