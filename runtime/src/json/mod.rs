//! JSON as language models write it: found in prose, read with its usual flaws, and never guessed at.
//!
//! Strict JSON takes `serde_json`'s way. Anything else is read by the lenient parser, which notes each flaw that it mended as a
//! [`Repair`], stops with an error where a text could mean two things, and takes time linear in the text.

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

pub(crate) use self::find::{Found, begins, clear, find, has_ordered, is_ordered};
pub use self::repair::{Repair, Repairs};
pub(crate) use self::{
    numeral::Numeral,
    written::{Place, Written, is_large},
};

/// The deepest nesting that is read, as in `serde_json`.
const DEPTH: usize = 128;

/// Why a text cannot be read, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flaw {
    pub(crate) message: String,
    /// The byte at which it was noticed.
    pub(crate) offset: usize,
    /// Where reading may go on: behind the value where that was read to its end.
    end: usize,
    /// True where reading on elsewhere in the text is of no use.
    fatal: bool,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}

/// The one value of a text.
///
/// # Errors
/// There is none, there are several that differ, or the text ends before the value does.
#[cfg(test)]
pub(crate) fn parse(text: &str) -> Result<(Value, Repairs), Flaw> {
    match clear(find(text)?) {
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
