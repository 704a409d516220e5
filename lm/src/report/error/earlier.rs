//! Joins the error of an answer that was asked for again with the earlier error.

use crate::report::{Error, ErrorKind};

impl Error {
    /// Adds the earlier error, which made the predictor ask again: the message has both, and
    /// [`source`](std::error::Error::source) returns the earlier one, unless this one has its own cause.
    ///
    /// If this error is only about the answer's format (it could not be parsed at all), the earlier one is more precise, and its
    /// kind and field are kept.
    #[must_use]
    pub fn after(mut self, earlier: Error) -> Self {
        let inner = &mut *self.0;
        inner.message += &std::mem::take(&mut inner.remark);
        inner.message = match inner.message == earlier.0.message {
            true => format!("{}; the answer before it failed in the same way", inner.message),
            false => format!("{}; it was asked again because of: {}", inner.message, earlier.0.message),
        };
        let is_of_the_format = inner.kind == ErrorKind::Parse && inner.field.is_none();
        if is_of_the_format {
            inner.kind = earlier.kind();
            inner.field = earlier.0.field.clone();
        }
        match inner.source {
            Some(_) => self,
            None => self.with_source(earlier),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn violation() -> Error {
        Error::new(ErrorKind::Violation, "`score` is 11").with_field("score").with_completion("11")
    }

    #[test]
    fn an_error_of_the_format_alone_keeps_the_kind_and_field_of_the_earlier_one() {
        let error = Error::parse("no JSON").with_completion("sorry").after(violation());
        assert!(error.is_violation());
        assert_eq!((error.field(), error.completion()), (Some("score"), Some("sorry")));
        assert_eq!(error.to_string(), "no JSON; it was asked again because of: `score` is 11");
        let earlier = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
        assert_eq!((earlier.field(), earlier.completion()), (Some("score"), Some("11")));
    }

    #[test]
    fn an_error_of_a_field_or_of_the_lm_keeps_its_kind_and_field() {
        let error = Error::parse("`title` is missing").with_field("title").after(violation());
        assert!(error.is_parse() && !error.is_violation());
        assert_eq!(error.field(), Some("title"));
        let error = Error::new(ErrorKind::Server, "status 503").after(violation());
        assert!(error.is_server() && error.is_transient() && error.field().is_none());
        assert!(error.to_string().contains("`score` is 11"), "{error}");
    }

    #[test]
    fn equal_errors_are_said_once_and_a_cause_of_its_own_stays() {
        let error = violation().after(violation());
        assert_eq!(error.to_string(), "`score` is 11; the answer before it failed in the same way");
        let broken = std::io::Error::other("broken pipe");
        let error =
            Error::new(ErrorKind::Connect, "the connection broke").with_source(broken).after(violation());
        assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()));
        assert!(error.to_string().contains("`score` is 11"), "{error}");
    }
}
