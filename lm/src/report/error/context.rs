//! Converts errors of other crates to karat's.

use crate::report::{Error, ErrorKind, Result};

impl Error {
    /// Adds words before the message, e.g. what the program was doing. The kind and all other facts stay.
    ///
    /// ```
    /// use karat::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Quota, "the credit is used up").context("summarizing chapter 3");
    /// assert_eq!(error.to_string(), "summarizing chapter 3: the credit is used up");
    /// assert!(error.is_quota());
    /// ```
    #[must_use]
    pub fn context(mut self, what: impl std::fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }
}

/// Lets `?` take any error, with words about what was being done: for the calls in a `forward` that are no LM calls.
///
/// [`Error::other`] converts the error: [`source`](std::error::Error::source) returns the original, and karat's own errors keep
/// their kind. For an `Option` that is `None` the words are the whole message.
///
/// ```
/// use karat::Context;
///
/// fn port(text: &str) -> karat::Result<u16> {
///     let number = text.split(':').nth(1).context("the address has no port")?;
///     Ok(number.parse::<u16>().context("the port")?)
/// }
///
/// assert_eq!(port("localhost").unwrap_err().to_string(), "the address has no port");
/// let error = port("localhost:http").unwrap_err();
/// assert_eq!(error.to_string(), "the port: invalid digit found in string");
/// let cause = std::error::Error::source(&error).unwrap();
/// assert!(cause.is::<std::num::ParseIntError>());
/// ```
pub trait Context<T> {
    /// The value, or the error with these words before its message.
    ///
    /// # Errors
    /// The original error, converted to karat's.
    fn context(self, what: impl std::fmt::Display) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T> for Result<T, E> {
    fn context(self, what: impl std::fmt::Display) -> Result<T> {
        self.map_err(|error| Error::other(error).context(what))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl std::fmt::Display) -> Result<T> {
        self.ok_or_else(|| Error::new(ErrorKind::Other, what.to_string()))
    }
}

/// An [`is_io`](Error::is_io) error, so that a `forward` may read files with `?`. [`Context`] adds which file it was.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, error.to_string()).with_source(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::other(error)
    }
}

/// A karat error in the box comes out unchanged.
impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_question_mark_takes_errors_of_files_of_json_and_of_any_kind_in_a_box() {
        fn file() -> Result<String> {
            Ok(std::fs::read_to_string("/no/such/file")?)
        }
        let error = file().unwrap_err();
        assert!(error.is_io() && error.source().is_some_and(|source| source.is::<std::io::Error>()));

        fn json() -> Result<u8> {
            Ok(serde_json::from_str("{")?)
        }
        assert_eq!(json().unwrap_err().kind(), ErrorKind::Other);

        fn boxed(error: Box<dyn std::error::Error + Send + Sync>) -> Result<()> {
            Err(error)?
        }
        assert!(boxed(Box::new(Error::new(ErrorKind::Quota, "used up"))).unwrap_err().is_quota());
        assert_eq!(boxed("odd".into()).unwrap_err().to_string(), "odd");
    }

    #[test]
    fn words_go_before_the_message_and_the_kind_of_karats_own_errors_stays() {
        let own: Result<()> = Err(Error::new(ErrorKind::Timeout, "too slow").with_predictor("answer"));
        let error = own.context("the summary").unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.to_string(), "predictor `answer`: the summary: too slow");
        let io: Result<()> = Err(std::io::Error::other("no disk")).context("the index");
        assert_eq!(io.unwrap_err().to_string(), "the index: no disk");
    }
}
