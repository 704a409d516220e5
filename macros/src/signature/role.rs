//! The two roles of a field.

use crate::attributes::{self, Grammar};

/// Who gives a field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    /// The program.
    Input,
    /// The model.
    Output,
}

impl Role {
    /// Both, in the order that prompts have them.
    pub(crate) const ALL: [Self; 2] = [Self::Input, Self::Output];

    /// The name of the attribute.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    /// What the attribute takes.
    pub(crate) fn grammar(self) -> &'static Grammar {
        match self {
            Self::Input => &attributes::INPUT,
            Self::Output => &attributes::OUTPUT,
        }
    }
}
