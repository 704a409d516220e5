//! Pieces of an answer while the model writes it.

/// A piece of a completion, given to a [`Sink`] while the model writes it; see [`LanguageModel::call`](crate::LanguageModel::call).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delta<'a> {
    /// Which of the completions it belongs to, counted from 0.
    pub completion: usize,
    /// The part of the completion that it continues.
    pub part: DeltaPart,
    /// The added text: never empty, cut at any character.
    pub text: &'a str,
}

/// The part of a completion that a [`Delta`] continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeltaPart {
    /// The answer's text.
    Text,
    /// The reasoning that the provider sends apart from the answer.
    Reasoning,
    /// The name of its tool call of this number, counted from 0; it begins the call.
    ToolName(usize),
    /// The arguments of its tool call of this number.
    ToolArguments(usize),
}

impl<'a> Delta<'a> {
    /// A piece of a part of a completion.
    pub fn new(completion: usize, part: DeltaPart, text: &'a str) -> Self {
        Self { completion, part, text }
    }

    /// A piece of a completion's text.
    pub fn text(completion: usize, text: &'a str) -> Self {
        Self::new(completion, DeltaPart::Text, text)
    }

    /// A piece of a completion's reasoning.
    pub fn reasoning(completion: usize, text: &'a str) -> Self {
        Self::new(completion, DeltaPart::Reasoning, text)
    }
}

/// Receives the deltas of an answer in the order in which the model writes them. It has to return at once.
pub type Sink<'a> = dyn FnMut(Delta<'_>) + Send + 'a;
