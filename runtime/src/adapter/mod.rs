//! Between typed fields and a model's text: how prompts are written and replies read.
//!
//! karat has four adapters: [`ChatAdapter`] (the default), [`JsonAdapter`],
//! [`XmlAdapter`](crate::XmlAdapter) and [`TerseAdapter`](crate::TerseAdapter). For a format of your own, implement [`Adapter`]: it
//! gets a [`Task`] with its fields and [`Demo`]s, prepares the constant part of the prompt once ([`Prepared`]), writes each call's
//! [`Inputs`], and reads each reply. One that can [`Follow`] a reply while it is written streams its fields. An adapter knows no LM
//! and no HTTP.
//!
//! ```
//! use karat::{Predict, XmlAdapter, adapter::Adapter, signature};
//!
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! let qa = Predict::<Qa>::new().adapter(XmlAdapter);
//! let input = QaInput { question: "Capital of France?".into() };
//! assert!(qa.prompt(&input)?.last().contains("<question>"));
//! assert_eq!(qa.parse(&input, "<answer>Paris</answer>")?.answer, "Paris");
//! assert_eq!(XmlAdapter.name(), "xml");
//! # Ok::<(), karat::Error>(())
//! ```

mod automaton;
pub(crate) mod chat;
#[cfg(test)]
mod corpus_tests;
mod correction;
mod demo;
mod elements;
mod end_tokens;
mod follow;
mod foreign;
pub(crate) mod json;
mod marker;
mod names;
mod outline;
mod prompt_texts;
pub(crate) mod reasoning;
mod repeats;
mod sections;
mod tag;
mod tag_names;
pub(crate) mod terse;
#[cfg(test)]
mod tests;
mod wrapped;
pub(crate) mod xml;

use std::{borrow::Cow, fmt::Debug, sync::Arc};

use karat_lm::{Error, Message, ResponseFormat, Result};
use schemars::SchemaGenerator;
use serde_json::Value;

pub(crate) use self::{
    chat::ChatAdapter,
    follow::{TextBuffer, Trimmer},
    json::JsonAdapter,
    repeats::Repeats,
    sections::fences,
};
pub use self::{
    demo::Demo,
    follow::{Follow, Followed},
    outline::Outline,
};
use crate::{
    field::{Field, FieldKind, FieldRole, FieldValue, Shape},
    signature::{Layout, Slot},
};

/// Placeholder for a value that a demo lacks.
pub(crate) const NOT_GIVEN: &str = "(not given in this example)";

/// Line before a demo that lacks a value.
const INCOMPLETE: &str = "An example of the task in which some fields are not given.";

/// Writes a task's prompt and reads the field values from a reply.
///
/// Implement it for a format of your own. The engine calls [`prepare`](Adapter::prepare) once per predictor and shares the
/// result, [`ask`](Adapter::ask) once per call, and [`read`](Adapter::read) once per completion.
pub trait Adapter: Debug + Send + Sync + 'static {
    /// Its name in traces, e.g. `chat`.
    fn name(&self) -> &'static str;

    /// Writes the constant part of the prompt, and the settings of every request.
    fn prepare(&self, task: &Task<'_>) -> Prepared;

    /// Writes a demo or an earlier turn of a conversation as a user message and an assistant message. A missing value is left out of
    /// the first and marked as not given in the second.
    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2];

    /// Writes the call's own user message.
    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String;

    /// Reads the values of the output fields, in the order of [`Task::outputs`].
    ///
    /// Text of the inputs must never become an output, even if the model repeats it; [`ChatAdapter`] has the exact rules.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse): a field that is not optional is missing, or the text has another form.
    fn read(&self, task: &Task<'_>, inputs: &Inputs<'_>, text: &str) -> Result<Vec<Option<FieldValue>>>;

    /// Finds the output that may be incomplete in an answer that was cut at the model's token limit and that [`read`](Self::read)
    /// accepts; `None` if the answer shows that its last value is complete.
    ///
    /// By default the last output: such an answer is an error.
    fn cut_output<'a>(&self, task: &Task<'a>, inputs: &Inputs<'_>, text: &str) -> Option<TaskField<'a>> {
        let _ = (inputs, text);
        task.outputs().last()
    }

    /// Returns a reader for a streamed answer; `None` if nothing is certain before the answer's end: by default, and where an input
    /// contains text that would read as an output.
    ///
    /// [`read`](Adapter::read) still reads the whole answer at its end, and its result counts.
    fn follow<'a>(&self, task: &Task<'a>, inputs: &Inputs<'a>) -> Option<Box<dyn Follow + 'a>> {
        let _ = (task, inputs);
        None
    }

    /// Writes the user message after an answer that could not be read.
    fn correct(&self, task: &Task<'_>, error: &Error) -> String {
        correction::message(task, error)
    }

    /// Locates the values of a reply before it is read; a draft of a value may be among them.
    ///
    /// With an outline, reasoning is found anywhere in a reply: behind a text, or where its opening tag is a part of the prompt.
    /// `None`, the default, if only the reply's beginning can be reasoning.
    fn outline(&self, task: &Task<'_>, text: &str) -> Option<Outline> {
        let _ = (task, text);
        None
    }

    /// True if `<name>` at the start of an answer is a field's tag. Otherwise a block such as `<reasoning>..</reasoning>` there is the
    /// model's reasoning, and is removed before the text is read.
    fn owns_tag(&self, task: &Task<'_>, name: &str) -> bool {
        let _ = (task, name);
        false
    }
}

/// Constant part of a predictor's requests, made once by [`Adapter::prepare`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// Messages before the call's own: system text and demos.
    pub prefix: Arc<[Message]>,
    /// Forms to ask for, best first: the next is tried when the provider refuses one as a bad request.
    pub modes: Vec<Mode>,
    /// Texts that end the generation.
    pub stop: Vec<String>,
}

impl Prepared {
    /// Takes the messages; the form asked for is the prompt's alone.
    pub fn new(prefix: impl Into<Arc<[Message]>>) -> Self {
        Self { prefix: prefix.into(), modes: vec![Mode::PROMPT], stop: Vec::new() }
    }

    /// Sets the forms to ask for, best first.
    #[must_use]
    pub fn modes(mut self, modes: impl IntoIterator<Item = Mode>) -> Self {
        self.modes = modes.into_iter().collect();
        self
    }

    /// Sets the texts that end the generation.
    #[must_use]
    pub fn stop<T: Into<String>>(mut self, stop: impl IntoIterator<Item = T>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }
}

/// One form of answer to ask a provider for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mode {
    /// Its name in traces.
    pub name: &'static str,
    /// The response format of the request.
    pub response_format: Option<ResponseFormat>,
}

impl Mode {
    /// The prompt alone.
    pub const PROMPT: Mode = Mode { name: "prompt", response_format: None };

    /// Names a mode and its response format.
    pub fn new(name: &'static str, response_format: impl Into<Option<ResponseFormat>>) -> Self {
        Self { name, response_format: response_format.into() }
    }
}

/// A task as an adapter sees it: instructions, fields, demos.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) instructions: &'a str,
    pub(crate) demos: &'a [Demo],
}

impl<'a> Task<'a> {
    /// The signature's name.
    pub fn signature(&self) -> &'a str {
        &self.layout.signature
    }

    /// The instructions.
    pub fn instructions(&self) -> &'a str {
        self.instructions
    }

    /// The input fields in prompt order, but for that of earlier turns: the engine has [`Adapter::turn`] write those.
    pub fn inputs(&self) -> impl Iterator<Item = TaskField<'a>> {
        self.fields(FieldRole::Input)
    }

    /// The output fields in prompt order.
    pub fn outputs(&self) -> impl Iterator<Item = TaskField<'a>> {
        self.fields(FieldRole::Output)
    }

    fn fields(&self, role: FieldRole) -> impl Iterator<Item = TaskField<'a>> {
        self.layout.shown(role).map(|slot| TaskField { slot })
    }

    /// All worked examples.
    pub fn demos(&self) -> &'a [Demo] {
        self.demos
    }

    /// The worked examples that a prompt shows, each with true if it is complete, by DSPy's rules: those that lack a value or have a
    /// null come first; those without any input or any output are left out.
    pub fn shown_demos(&self) -> impl Iterator<Item = (&'a Demo, bool)> {
        let task = *self;
        let all = self.demos.iter().map(move |demo| (demo, task.is_complete(demo)));
        let has_both = |demo: &Demo| {
            [&demo.inputs, &demo.outputs].into_iter().all(|values| values.iter().any(Option::is_some))
        };
        let incomplete = all.clone().filter(move |(demo, complete)| !complete && has_both(demo));
        incomplete.chain(all.filter(|(_, complete)| *complete))
    }

    fn is_complete(&self, demo: &Demo) -> bool {
        let is_there = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        let turns = self.layout.turns().map(|slot| demo.other.get(slot.name()));
        turns.is_none_or(is_there)
            && demo.inputs.iter().chain(&demo.outputs).all(|value| is_there(value.as_ref()))
    }

    /// The messages of the shown demos, as [`Adapter::turn`] writes them.
    pub fn demo_messages(&self, adapter: &impl Adapter) -> impl Iterator<Item = Message> {
        let messages = self.shown_demos().flat_map(|(demo, complete)| {
            let [asked, answered] = adapter.turn(self, demo);
            let asked = if complete { asked } else { format!("{INCOMPLETE}\n\n{asked}") };
            [Message::user(asked), Message::assistant(answered)]
        });
        messages.collect::<Vec<_>>().into_iter()
    }
}

/// One field of a [`Task`].
#[derive(Clone, Copy, Debug)]
pub struct TaskField<'a> {
    slot: &'a Slot,
}

impl<'a> TaskField<'a> {
    /// The name.
    pub fn name(&self) -> &'a str {
        self.slot.name()
    }

    /// How its value reaches the model.
    pub fn kind(&self) -> FieldKind {
        self.slot.compiled.field.kind()
    }

    /// Other names under which the model may give the field.
    pub fn aliases(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.slot.compiled.field.aliases()
    }

    /// The name, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(self.name()).chain(self.aliases())
    }

    /// True if this is the field's name or an alias.
    pub fn answers_to(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The description; may be empty.
    pub fn description(&self) -> &'a str {
        self.slot.shown_description()
    }

    /// Its type and rules in words, e.g. `text` or `one of: Low, High` or `whole number, from 0 to 10`.
    pub fn type_text(&self) -> &'a str {
        &self.slot.compiled.type_text
    }

    /// The rules of its values in words, e.g. `from 0 to 10`; may be empty.
    pub fn rules_text(&self) -> &'a str {
        &self.slot.compiled.rules_text
    }

    /// True if its values are plain text.
    pub fn is_text(&self) -> bool {
        self.slot.compiled.shape == Shape::Text
    }

    /// True if any text is one of its values.
    fn takes_any_text(&self) -> bool {
        self.slot.compiled.shape != Shape::Json
    }

    /// True if its type takes lists.
    fn takes_list(&self) -> bool {
        self.slot.compiled.takes_list()
    }

    /// True if its type takes lists and is not text.
    fn is_list(&self) -> bool {
        !self.takes_any_text() && self.takes_list()
    }

    /// The schema of its values with the definitions.
    fn target(&self) -> &'a Value {
        self.slot.compiled.target()
    }

    /// True if the field may be absent.
    pub fn is_optional(&self) -> bool {
        self.slot.compiled.optional
    }

    /// Returns the value, unless it is a null that the type does not take.
    pub fn given<'v>(&self, value: Option<&'v Value>) -> Option<&'v Value> {
        value.filter(|value| !value.is_null() || self.slot.compiled.field.takes_null())
    }

    /// Reads a piece of a model's text: as it is for text fields, as JSON or a bare word for the rest.
    ///
    /// JSON may have the usual flaws of a model's text; each repair is noted.
    pub fn value_of_text(&self, text: &str) -> FieldValue {
        self.slot.compiled.value_of_text(text)
    }

    /// Writes the value as text: strings as they are, all else as JSON.
    pub fn text_of_value<'v>(&self, value: &'v Value) -> Cow<'v, str> {
        text_of(value)
    }

    /// Returns the JSON schema of its values, as part of the generator's schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        self.slot.compiled.schema(generator)
    }
}

/// Writes a value as text: strings as they are, all else as JSON.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Escapes the text as between the quotes of a JSON string.
fn in_json(text: &str) -> Cow<'_, str> {
    let quoted = Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.map_or(Cow::Borrowed(text), |inside| Cow::Owned(inside.to_owned()))
}

/// One call's input values.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// All input fields, that of earlier turns among them.
    pub(crate) slots: &'a [Slot],
    pub(crate) values: &'a [Option<Value>],
    pub(crate) extra: &'a [(Field, Value)],
}

impl<'a> Inputs<'a> {
    /// The input fields' values in the order of [`Task::inputs`].
    pub fn values(&self) -> impl Iterator<Item = Option<&'a Value>> + use<'a> {
        let given = self.slots.iter().zip(self.values);
        given.filter(|(slot, _)| !slot.is_turns()).map(|(_, value)| value.as_ref())
    }

    /// Inputs of this run alone, e.g. a hint; they are in no task, demo or trace.
    pub fn extra(&self) -> &'a [(Field, Value)] {
        self.extra
    }

    /// Collects every text inside of the values, which a model could repeat.
    pub(crate) fn texts(&self) -> Vec<&'a str> {
        self.all().filter_map(Value::as_str).collect()
    }

    /// Iterates over the values and everything inside of them.
    fn all(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let extra = self.extra.iter().map(|(_, value)| value);
        let mut given = self.values.iter().flatten().chain(extra);
        let mut open = Vec::new();
        std::iter::from_fn(move || {
            let value = open.pop().or_else(|| given.next_back())?;
            match value {
                Value::Array(items) => open.extend(items),
                Value::Object(map) => open.extend(map.values()),
                _ => {}
            }
            Some(value)
        })
    }
}

/// Checks that no required field is missing.
fn complete(task: &Task<'_>, found: Vec<Option<FieldValue>>, text: &str) -> Result<Vec<Option<FieldValue>>> {
    let fields = || task.outputs().zip(&found);
    let missing = || fields().filter(|(field, value)| value.is_none() && !field.is_optional());
    let Some((first, _)) = missing().next() else {
        return Ok(found);
    };
    let quoted = |(field, _): (TaskField<'_>, _)| format!("`{}`", field.name());
    let missing = missing().map(quoted).collect::<Vec<_>>().join(", ");
    let there = fields().filter(|(_, value)| value.is_some()).map(quoted).collect::<Vec<_>>().join(", ");
    let there = if there.is_empty() { "no field at all".to_owned() } else { there };
    let message = format!("the answer lacks {missing}; found {there}");
    Err(Error::parse(message).with_field(first.name()).with_completion(text))
}
