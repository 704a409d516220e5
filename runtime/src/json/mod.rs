//! Finds and reads the JSON in a model's text, mends the usual flaws, and never guesses.
//!
//! `serde_json` reads strict JSON. The lenient parser reads the rest: it notes each flaw that it mends as a [`Repair`], returns an
//! error where a text could mean two things, and takes time linear in the text.

mod find;
mod lenient;
mod numeral;
mod python;
mod repair;
mod scalar;
mod strict;
mod string;
mod written;

use std::fmt;

#[cfg(test)]
use serde_json::Value;

pub(crate) use self::find::{Found, begins_sequence, find, has_ordered_dict, is_ordered_dict, unambiguous};
pub use self::repair::{Repair, Repairs};
pub(crate) use self::{
    numeral::Numeral,
    written::{Location, Written, is_large},
};

/// Deepest nesting that is read, as in `serde_json`.
const DEPTH: usize = 128;

/// Error of a text that cannot be read, with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flaw {
    pub(crate) message: String,
    /// The byte at which the parser noticed it.
    pub(crate) offset: usize,
    /// The byte at which reading may go on: behind the value, if that was read to its end.
    end: usize,
    /// True if the search for values must stop here.
    fatal: bool,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}

/// Reads the one value of a text.
///
/// # Errors
/// There is none, there are several that differ, or the text ends before the value does.
#[cfg(test)]
pub(crate) fn parse(text: &str) -> Result<(Value, Repairs), Flaw> {
    match unambiguous(find(text)?) {
        Some(one) => Ok((one.value, one.repairs)),
        None => Err(Flaw {
            message: "several values, or one that is cut off".into(),
            offset: 0,
            end: 0,
            fatal: true,
        }),
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use self::tests::same as tests_same;
