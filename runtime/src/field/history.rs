//! The history of a conversation as an input: its earlier turns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::field::{Field, FieldKind, HasKind, SignatureField};

/// The earlier turns of a conversation: an input field of this type is shown to the model as messages of their own, between
/// the demos and the question, and not as a value. A signature has one such field; a second one is an input like any other.
///
/// Each turn has values by the field names of the asked signature; a missing value is left out of the question, and marked as not
/// given in the answer. It reads and writes the JSON of DSPy's `History`.
///
/// ```
/// use karat::{History, Module, Predict, Reply, ScriptedLm, signature};
///
/// #[signature]
/// struct Chat {
///     #[input]
///     history: History,
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// let lm = ScriptedLm::new(["Paris", "Lyon"].map(|answer| Reply::fields([("answer", answer)])));
/// let chat = Predict::<Chat>::new().lm(&lm.lm());
///
/// let mut history = History::new();
/// for question in ["Capital of France?", "And the second city?"] {
///     let input = ChatInput { history: history.clone(), question: question.into() };
///     let answer = chat.call(input.clone()).await?;
///     history.push::<Chat>(&input, &answer)?;
/// }
/// assert_eq!(history.turns()[1]["answer"], "Lyon");
/// assert!(lm.requests()[1].prompt.iter().any(|message| message.content.contains("Capital of France?")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    #[serde(rename = "messages")]
    turns: Vec<Map<String, Value>>,
}

impl History {
    /// No turns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a turn of values by field name.
    pub fn push_values(&mut self, turn: Map<String, Value>) {
        self.turns.push(turn);
    }

    /// The turns, oldest first, each with its values by field name.
    pub fn turns(&self) -> &[Map<String, Value>] {
        &self.turns
    }

    /// The turns in a field's value.
    pub(crate) fn turns_of(value: &Value) -> impl Iterator<Item = &Map<String, Value>> {
        let turns = value.get("messages").and_then(Value::as_array);
        turns.into_iter().flatten().filter_map(Value::as_object)
    }
}

impl HasKind for History {
    const KIND: FieldKind = FieldKind::Turns;
}

impl Field {
    /// The input field of the earlier turns, as `#[signature]` writes it for an input of the type [`History`]. By
    /// [`Field::input`], which cannot ask a type for its kind, it would be a value. The description may be empty.
    pub const fn turns(name: &'static str, description: &'static str) -> Self {
        <History as SignatureField>::INPUT.of_kind(FieldKind::Turns).named(name, description)
    }
}
