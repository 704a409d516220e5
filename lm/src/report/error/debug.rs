//! The `Debug` text of an error, which a failed `main` prints and logs show.

use std::fmt;

use crate::report::{Error, rollout};

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind)
            .field("message", &format_args!("{:?}", [&*inner.message, &*inner.remark].concat()));
        if let Some(path) = &inner.predictor {
            out.field("predictor", path);
        }
        if let Some(field) = &inner.field {
            out.field("field", field);
        }
        if let Some(status) = &inner.status {
            out.field("status", status);
        }
        if let Some(text) = &inner.completion {
            out.field("completion", &Excerpt(text));
        }
        if !inner.rollouts.is_empty() {
            // A failed `main` prints this: one line for each rollout, not all its facts.
            out.field("rollouts", &rollout::lines(&inner.rollouts));
        }
        out.finish()
    }
}

/// The beginning of a completion and its length: errors are logged, and a model's text does not belong in a log.
struct Excerpt<'a>(&'a str);

/// The most characters of a completion in the `Debug` text of an error.
const EXCERPT: usize = 500;

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(EXCERPT) {
            None => self.0.fmt(f),
            Some((end, _)) => {
                self.0.get(..end).unwrap_or_default().fmt(f)?;
                write!(f, ".. (the first {EXCERPT} of {} characters)", self.0.chars().count())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_first_500_characters_of_a_completion_and_its_length() {
        let shown = |text: &str| format!("{:?}", Error::parse("no field").with_completion(text));
        assert!(shown(&"é".repeat(500)).contains(&format!("{:?}", "é".repeat(500))));
        let long = shown(&format!("{}secret{}", "é".repeat(500), "x".repeat(1_000_000)));
        assert!(long.contains("\".. (the first 500 of 1000506 characters)"), "{long}");
        assert!(!long.contains("secret") && long.len() < 2_000, "{} bytes", long.len());
        let whole = Error::parse("no field").with_completion("x".repeat(600));
        assert_eq!(whole.completion().map(str::len), Some(600), "the error itself keeps it");
    }
}
