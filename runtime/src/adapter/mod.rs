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
mod ends;
mod follow;
mod foreign;
pub(crate) mod json;
mod marker;
mod names;
mod outline;
pub(crate) mod reasoning;
mod repeats;
mod sections;
mod shown;
mod tag;
pub(crate) mod terse;
#[cfg(test)]
mod tests;
mod wrapped;
pub(crate) mod xml;

use std::{borrow::Cow, fmt::Debug, sync::Arc};

use schemars::SchemaGenerator;
use serde_json::Value;

pub(crate) use self::{
    chat::ChatAdapter,
    follow::{Growing, Trimmed},
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
    field::{Field, FieldRole, FieldValue, Shape},
    lm::{Message, ResponseFormat},
    report::{Error, Result},
    signature::{Layout, Slot},
};

/// Stands for a value that a demo does not have.
pub(crate) const NOT_GIVEN: &str = "(not given in this example)";

/// Stands before a demo that lacks a value.
const INCOMPLETE: &str = "An example of the task in which some fields are not given.";

/// How a task becomes a prompt and a reply becomes field values.
///
/// Implement it for a format of your own. The engine calls [`prepare`](Adapter::prepare) once per predictor and shares the
/// result, [`ask`](Adapter::ask) once per call, and [`read`](Adapter::read) once per completion.
pub trait Adapter: Debug + Send + Sync + 'static {
    /// Its name in traces, e.g. `chat`.
    fn name(&self) -> &'static str;

    /// The constant part of the prompt and what goes along with every request.
    fn prepare(&self, task: &Task<'_>) -> Prepared;

    /// A demo or an earlier turn of a conversation, as the user message and the assistant message that it would have been. A
    /// value that it does not have is left out of the former and marked as not given in the latter.
    fn turn(&self, task: &Task<'_>, example: &Demo) -> [String; 2];

    /// The call's own user message.
    fn ask(&self, task: &Task<'_>, inputs: &Inputs<'_>) -> String;

    /// The values of the output fields, in the order of [`Task::outputs`].
    ///
    /// What the inputs hold must never become an output, even if the model repeats it; [`ChatAdapter`] says what that means.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse): a field that is not optional is missing, or the text has another form.
    fn read(&self, task: &Task<'_>, inputs: &Inputs<'_>, text: &str) -> Result<Vec<Option<FieldValue>>>;

    /// The output of which an answer may lack a part that was cut at the model's token limit, and that [`read`](Self::read)
    /// takes; `None` if the answer shows that all of its last value is there.
    ///
    /// The last output, where it is not implemented: such an answer is an error.
    fn cut_output<'a>(&self, task: &Task<'a>, inputs: &Inputs<'_>, text: &str) -> Option<TaskField<'a>> {
        let _ = (inputs, text);
        task.outputs().last()
    }

    /// What reads an answer while it is written; `None` if nothing of it is certain before its end, as in adapters that do not
    /// implement this, or where an input holds something that would read as an output.
    ///
    /// Whatever it tells, the whole answer is read by [`read`](Adapter::read), and that decides.
    fn follow<'a>(&self, task: &Task<'a>, inputs: &Inputs<'a>) -> Option<Box<dyn Follow + 'a>> {
        let _ = (task, inputs);
        None
    }

    /// The user message that follows an answer which could not be read.
    fn correct(&self, task: &Task<'_>, error: &Error) -> String {
        correction::message(task, error)
    }

    /// Where in a text the values of a reply stand, before it is read; it may take what is only a draft of one for a value.
    ///
    /// With it, reasoning is found wherever it stands in a reply, as behind a text, or where its opening tag is a part of the
    /// prompt; `None`, as in adapters that do not implement this, if only what the reply begins with can be reasoning.
    fn outline(&self, task: &Task<'_>, text: &str) -> Option<Outline> {
        let _ = (task, text);
        None
    }

    /// True if `<name>` at the start of an answer is a field's tag and not that of the model's reasoning, as in
    /// `<reasoning>..</reasoning>`, which is otherwise taken out of the text before it is read.
    fn owns_tag(&self, task: &Task<'_>, name: &str) -> bool {
        let _ = (task, name);
        false
    }
}

/// What [`Adapter::prepare`] makes once per predictor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// The messages before the call's own: system text and demos.
    pub prefix: Arc<[Message]>,
    /// The ladder of forms to ask for, best first: the next is tried when the provider refuses one as a bad request.
    pub modes: Vec<Mode>,
    /// Texts at which generation ends.
    pub stop: Vec<String>,
}

impl Prepared {
    /// These messages, and the prompt alone for what is asked of the provider.
    pub fn new(prefix: impl Into<Arc<[Message]>>) -> Self {
        Self { prefix: prefix.into(), modes: vec![Mode::PROMPT], stop: Vec::new() }
    }

    /// The forms to ask for, best first.
    #[must_use]
    pub fn modes(mut self, modes: impl IntoIterator<Item = Mode>) -> Self {
        self.modes = modes.into_iter().collect();
        self
    }

    /// Texts at which generation ends.
    #[must_use]
    pub fn stop<T: Into<String>>(mut self, stop: impl IntoIterator<Item = T>) -> Self {
        self.stop = stop.into_iter().map(Into::into).collect();
        self
    }
}

/// One rung of the ladder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mode {
    /// Its name in traces.
    pub name: &'static str,
    /// What the provider is asked for.
    pub response_format: Option<ResponseFormat>,
}

impl Mode {
    /// The prompt alone.
    pub const PROMPT: Mode = Mode { name: "prompt", response_format: None };

    /// A mode of this name that asks for a form of answer.
    pub fn new(name: &'static str, response_format: impl Into<Option<ResponseFormat>>) -> Self {
        Self { name, response_format: response_format.into() }
    }
}

/// What is to be done, as an adapter sees it: instructions, fields, demos.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) instructions: &'a str,
    pub(crate) demos: &'a [Demo],
}

impl<'a> Task<'a> {
    /// The signature's name.
    pub fn signature(&self) -> &'a str {
        self.layout.signature
    }

    /// What to do.
    pub fn instructions(&self) -> &'a str {
        self.instructions
    }

    /// The input fields in prompt order.
    pub fn inputs(&self) -> impl Iterator<Item = TaskField<'a>> {
        self.fields(FieldRole::Input)
    }

    /// The output fields in prompt order.
    pub fn outputs(&self) -> impl Iterator<Item = TaskField<'a>> {
        self.fields(FieldRole::Output)
    }

    fn fields(&self, role: FieldRole) -> impl Iterator<Item = TaskField<'a>> {
        self.layout.slots(role).iter().map(|slot| TaskField { slot })
    }

    /// Worked examples, all of them.
    pub fn demos(&self) -> &'a [Demo] {
        self.demos
    }

    /// The worked examples that a prompt shows, each with whether it is complete, by the rules of DSPy: those that lack a value
    /// or have a null come first; those that have no input at all, or no output, are left out.
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
        let history = self.layout.history.as_ref().map(|(_, slot)| demo.other.get(slot.name()));
        history.is_none_or(is_there)
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
    pub fn name(&self) -> &'static str {
        self.slot.name()
    }

    /// Other names under which the model may give it.
    pub fn aliases(&self) -> &'static [&'static str] {
        self.slot.compiled.field.aliases()
    }

    /// The name, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name()).chain(self.aliases().iter().copied())
    }

    /// True if this is the field's name or an alias.
    pub fn answers_to(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// What it holds; may be empty.
    pub fn description(&self) -> &'a str {
        self.slot.shown_description()
    }

    /// Its type and rules in words, e.g. `text` or `one of: Low, High` or `whole number, from 0 to 10`.
    pub fn type_text(&self) -> &'a str {
        &self.slot.compiled.type_text
    }

    /// What its values have to keep beside their type, in words, e.g. `from 0 to 10`; may be empty.
    pub fn rules_text(&self) -> &'a str {
        &self.slot.compiled.rules_text
    }

    /// True if its values are text as it stands.
    pub fn is_text(&self) -> bool {
        self.slot.compiled.shape == Shape::Text
    }

    /// True if any text is one of its values.
    fn takes_any_text(&self) -> bool {
        self.slot.compiled.shape != Shape::Json
    }

    /// True if its values are lists, or may be.
    fn takes_list(&self) -> bool {
        self.slot.compiled.takes_list()
    }

    /// True if its values may be lists.
    fn is_list(&self) -> bool {
        !self.takes_any_text() && self.takes_list()
    }

    /// The schema of its values with the definitions.
    fn target(&self) -> &'a Value {
        self.slot.compiled.target()
    }

    /// True if it may be absent.
    pub fn is_optional(&self) -> bool {
        self.slot.compiled.optional
    }

    /// The value, unless it is a null of a type that has none.
    pub fn given<'v>(&self, value: Option<&'v Value>) -> Option<&'v Value> {
        value.filter(|value| !value.is_null() || self.slot.compiled.field.takes_null())
    }

    /// The value that a piece of a model's text stands for: text as it is for text fields, JSON or a bare word for the rest.
    ///
    /// JSON may have the usual flaws of a model's text; what was mended is noted.
    pub fn value_of_text(&self, text: &str) -> FieldValue {
        self.slot.compiled.value_of_text(text)
    }

    /// The value as text: strings as they are, all else as JSON.
    pub fn text_of_value<'v>(&self, value: &'v Value) -> Cow<'v, str> {
        text_of(value)
    }

    /// The JSON schema of its values, as part of the generator's schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        self.slot.compiled.schema(generator)
    }
}

/// A value as text: strings as they are, all else as JSON.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// The text as it stands between the quotes of a JSON text.
fn in_json(text: &str) -> Cow<'_, str> {
    let quoted = Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.map_or(Cow::Borrowed(text), |inside| Cow::Owned(inside.to_owned()))
}

/// One call's input values.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub(crate) values: &'a [Option<Value>],
    pub(crate) history: Option<&'a Value>,
    pub(crate) extra: &'a [(Field, Value)],
}

impl<'a> Inputs<'a> {
    /// The input fields' values in the order of [`Task::inputs`].
    pub fn values(&self) -> &'a [Option<Value>] {
        self.values
    }

    /// Inputs of this run alone, which are in no task, demo or trace, e.g. a hint.
    pub fn extra(&self) -> &'a [(Field, Value)] {
        self.extra
    }

    /// Every text among the values, however deep, that a model could repeat.
    pub(crate) fn texts(&self) -> Vec<&'a str> {
        self.all().filter_map(Value::as_str).collect()
    }

    /// The values and whatever is in them.
    fn all(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let extra = self.extra.iter().map(|(_, value)| value);
        let mut given = self.values.iter().flatten().chain(self.history).chain(extra);
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

/// Checks that no field is missing that has to be there.
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
