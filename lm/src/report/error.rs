//! The one error type: opaque, with predicates, and with all facts about the failure.

mod context;
mod debug;
mod earlier;
mod kind;
mod rate_limit;
mod retry;
mod spent;

use std::{
    borrow::Cow,
    {any::Any, ops::Deref, sync::Arc, time::Duration},
};

use serde_json::Value;

pub use self::kind::Fact;
pub use self::{context::Context, kind::ErrorKind};
use super::{RateLimit, Rollout, Trace, Usage};

/// The result of everything in karat that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of everything in karat: what failed, where, and with which text of the model.
///
/// Its predicates say of which kind it is ([`is_timeout`](Error::is_timeout), [`is_auth`](Error::is_auth), ...). Besides its
/// message it has the path of the failing predictor, the field, the model's raw completion and, if it ended a
/// `BestOfN` or a `Refine`, the report of every rollout. Secrets never appear in it, and
/// its `Debug` text has no more than the first 500 characters of a completion.
///
/// In a `forward`, `?` takes a [`std::io::Error`], a [`serde_json::Error`] or a boxed error; [`Context`] makes it take any
/// other.
///
/// ```
/// use karat::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Quota, "the month's credit is used up");
/// assert!(error.is_quota() && error.is_permanent());
/// assert_eq!(error.to_string(), "the month's credit is used up");
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{message}{remark}", place(.predictor.as_deref()))]
struct Inner {
    kind: ErrorKind,
    message: String,
    /// A remark in parentheses after the message that is no part of the cause: attempts and waits.
    remark: String,
    predictor: Option<Arc<str>>,
    field: Option<String>,
    /// Shared, since it may be long, and an error goes to reports, traces and histories; not an `Arc<str>`, into which a text
    /// would be copied.
    completion: Option<Arc<String>>,
    outputs: Vec<(Cow<'static, str>, Value)>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    /// For how long retries are worth while; unlimited if not set.
    retry_within: Option<Duration>,
    attempts: u32,
    rate_limit: Option<RateLimit>,
    rollouts: Arc<[Rollout]>,
    run: Option<Arc<(Trace, Usage)>>,
    /// The cost of the failed LM call.
    spent: Usage,
    source: Option<Cause>,
}

/// A shared cause: [`source`](std::error::Error::source) returns the error itself, not the `Arc`.
#[derive(Clone, Debug)]
struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Deref for Cause {
    type Target = dyn std::error::Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Error {
    /// An error of the given kind. The message should say what was expected, what was found and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            remark: String::new(),
            predictor: None,
            field: None,
            completion: None,
            outputs: Vec::new(),
            status: None,
            retry_after: None,
            should_retry: None,
            retry_within: None,
            attempts: 1,
            rate_limit: None,
            rollouts: Arc::new([]),
            run: None,
            spent: Usage::default(),
            source: None,
        }))
    }

    /// Wraps an error of user code, so that a module's `forward` can return it; [`source`](std::error::Error::source) gives
    /// it back. A karat error passes through unchanged.
    ///
    /// ```
    /// use karat::Error;
    ///
    /// fn forward() -> karat::Result<u8> {
    ///     "300".parse::<u8>().map_err(Error::other)
    /// }
    /// assert!(forward().unwrap_err().to_string().contains("too large"));
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Error>() {
            Ok(own) => *own,
            Err(error) => Self::new(ErrorKind::Other, error.to_string()).with_source(error),
        }
    }

    /// Converts a caught panic ([`catch_unwind`](std::panic::catch_unwind)) to an [`is_panic`](Error::is_panic) error. `what` names
    /// what panicked, e.g. `the module`; for authors of wrappers.
    ///
    /// ```
    /// use karat::Error;
    ///
    /// let panic = std::panic::catch_unwind(|| panic!("no index")).unwrap_err();
    /// let error = Error::from_panic("the module", panic);
    /// assert!(error.is_panic());
    /// assert_eq!(error.to_string(), "the module panicked: no index");
    /// ```
    pub fn from_panic(what: &str, panic: Box<dyn Any + Send>) -> Self {
        let literal = panic.downcast_ref::<&str>().copied();
        let text = literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::new(ErrorKind::Panic, format!("{what} panicked: {}", text.unwrap_or("no message")))
    }

    /// An [`is_config`](Error::is_config) error: the program is set up in a way that cannot work.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// An [`is_parse`](Error::is_parse) error: a text has not the form that was asked for.
    pub fn parse(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Parse, message)
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Cause(source.into().into()));
        self
    }

    /// Adds the path of the failing predictor. The first one stays: it is the innermost.
    #[must_use]
    pub fn with_predictor(mut self, path: impl Into<Arc<str>>) -> Self {
        self.0.predictor.get_or_insert_with(|| path.into());
        self
    }

    /// Adds the name of the signature's field that the failure is about.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Adds the model's raw text.
    #[must_use]
    pub fn with_completion(mut self, text: impl Into<String>) -> Self {
        self.0.completion.get_or_insert_with(|| {
            let mut text = text.into();
            if text.capacity() / 2 > text.len() {
                text.shrink_to_fit();
            }
            Arc::new(text)
        });
        self
    }

    /// Adds the output fields that were complete when the answer broke off.
    #[must_use]
    pub fn with_outputs(mut self, outputs: Vec<(Cow<'static, str>, Value)>) -> Self {
        self.0.outputs = outputs;
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the report of the rollouts that came before the failure.
    #[must_use]
    pub fn with_rollouts(mut self, rollouts: impl Into<Arc<[Rollout]>>) -> Self {
        self.0.rollouts = rollouts.into();
        self
    }

    /// Adds the trace and the usage of the failed run; `Module::call` does so.
    #[must_use]
    pub fn with_run(mut self, trace: Trace, usage: Usage) -> Self {
        self.0.run.get_or_insert_with(|| Arc::new((trace, usage)));
        self
    }

    /// A copy without the cause, rollouts and run, which may hold any amount of memory.
    pub(crate) fn alone(&self) -> Self {
        let mut error = self.clone();
        (error.0.rollouts, error.0.run, error.0.source) = (Arc::default(), None, None);
        error
    }

    /// The memory of the error [`alone`](Error::alone).
    pub(crate) fn bytes(&self) -> usize {
        let texts = [
            Some(&self.0.message),
            Some(&self.0.remark),
            self.0.field.as_ref(),
            self.0.completion.as_deref(),
        ];
        let texts = texts.into_iter().flatten().map(String::capacity);
        size_of::<Inner>() + texts.sum::<usize>() + self.predictor().map_or(0, str::len)
    }

    /// Replaces each text of the error.
    pub(crate) fn map_texts(mut self, map: impl Fn(&str) -> String) -> Self {
        self.0.message = map(&self.0.message);
        self.0.remark = map(&self.0.remark);
        self.0.completion = self.0.completion.as_deref().map(|text| Arc::new(map(text)));
        self
    }

    /// The text without the remark on attempts and waits, which differs between errors of one cause.
    pub(crate) fn cause(&self) -> String {
        place(self.predictor()) + &self.0.message
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The path of the failing predictor from the root of the called module, e.g. `answer.predict`; `self` for a bare predictor.
    pub fn predictor(&self) -> Option<&str> {
        self.0.predictor.as_deref()
    }

    /// The signature's field that could not be read or written.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The model's raw text, where there was one.
    pub fn completion(&self) -> Option<&str> {
        self.0.completion.as_deref().map(String::as_str)
    }

    /// The output fields that were complete when a stream broke off, in the order of the signature.
    pub fn outputs(&self) -> &[(Cow<'static, str>, Value)] {
        &self.0.outputs
    }

    /// The HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Every rollout that was run before the failure; empty outside of `BestOfN` and
    /// `Refine`.
    pub fn rollouts(&self) -> &[Rollout] {
        &self.0.rollouts
    }

    /// The trace of the failed call, with the failing predictor last; `None` if no module was called.
    pub fn trace(&self) -> Option<&Trace> {
        self.0.run.as_deref().map(|(trace, _)| trace)
    }
}

/// The failing predictor, as the prefix of a message.
fn place(predictor: Option<&str>) -> String {
    predictor.map(|path| format!("predictor `{path}`: ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_predictor_is_kept() {
        let error = Error::parse("no field").with_predictor("answer.predict").with_predictor("self");
        assert_eq!(error.predictor(), Some("answer.predict"));
        assert_eq!(error.to_string(), "predictor `answer.predict`: no field");
    }

    #[test]
    fn a_karat_error_passes_through_other_unchanged() {
        let error = Error::other(Error::new(ErrorKind::Quota, "used up"));
        assert!(error.is_quota());
        assert!(std::error::Error::source(&error).is_none());
    }
}
