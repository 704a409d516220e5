//! What a task looks like: the static table that `#[signature]` writes, and the layout in which the engine sees it.

use std::{
    fmt::Debug,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use crate::{
    field::{CompiledField, Field, FieldRole, Reader, Writer},
    lm::Answer,
    report::{Error, Result},
};

/// A typed task: instructions, input fields, output fields. Written by [`#[signature]`](macro@crate::signature).
///
/// The type itself is a whole example, with inputs and outputs: a demo, or a row of a data set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signature",
    label = "expected a struct with `#[signature]`",
    note = "write `#[karat::signature]` on the struct, and `#[input]` or `#[output]` on each of its fields"
)]
pub trait Signature: Clone + Debug + Send + Sync + 'static {
    /// The input fields: `QaInput` for a signature `Qa`.
    type Input: Fields;
    /// The output fields: `QaOutput` for a signature `Qa`.
    type Output: Fields;

    /// The static table.
    fn spec() -> &'static Spec;

    /// An example of its two halves.
    fn join(input: Self::Input, output: Self::Output) -> Self;

    /// The two halves of an example.
    fn split(self) -> (Self::Input, Self::Output);
}

/// A struct whose fields cross the engine one by one, in declared order. Written by [`#[signature]`](macro@crate::signature).
pub trait Fields: Clone + Debug + Send + Sync + Sized + 'static {
    /// The names of the fields, in declared order.
    const NAMES: &'static [&'static str];

    /// Hands out each field's value.
    fn write(&self, writer: &mut Writer);

    /// Takes each field's value.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse), with the field's name, at the first that is absent or does not fit its type.
    fn read(reader: &mut Reader<'_>) -> Result<Self>;
}

/// The static table of a signature: its name, instructions and fields, inputs first.
#[derive(Debug)]
pub struct Spec {
    name: &'static str,
    instructions: &'static str,
    fields: &'static [Field],
    layout: OnceLock<Arc<Layout>>,
}

impl Spec {
    /// A table. Empty instructions mean: derive them from the fields.
    pub const fn new(name: &'static str, instructions: &'static str, fields: &'static [Field]) -> Self {
        Self { name, instructions, fields, layout: OnceLock::new() }
    }

    /// The signature's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The instructions: the doc comment's, or derived from the fields where there is none.
    pub fn instructions(&self) -> String {
        if !self.instructions.is_empty() {
            return self.instructions.into();
        }
        let names = |role| {
            let names = self.fields.iter().filter(|field| field.role() == role);
            names.map(|field| format!("`{}`", field.name())).collect::<Vec<_>>().join(", ")
        };
        match names(FieldRole::Input) {
            inputs if inputs.is_empty() => format!("Give {}.", names(FieldRole::Output)),
            inputs => format!("From {inputs}, give {}.", names(FieldRole::Output)),
        }
    }

    /// The fields, inputs first, each role in declared order.
    pub fn fields(&self) -> &'static [Field] {
        self.fields
    }

    fn own(&self, role: FieldRole) -> &'static [Field] {
        let inputs = self.fields.iter().take_while(|field| field.role() == FieldRole::Input).count();
        let (inputs, outputs) = self.fields.split_at(inputs);
        match role {
            FieldRole::Input => inputs,
            FieldRole::Output => outputs,
        }
    }

    /// The input struct's values, each with its field.
    ///
    /// # Errors
    /// [`is_bad_input`](Error::is_bad_input): a value has no JSON form.
    pub fn write_inputs(&self, input: &impl Fields) -> Result<Vec<(&'static Field, Value)>> {
        let own = self.own(FieldRole::Input);
        Ok(own.iter().zip(write(input, own)?).collect())
    }

    /// The output struct's values, each with its field.
    ///
    /// # Errors
    /// [`is_bad_input`](Error::is_bad_input): a value has no JSON form.
    pub fn write_outputs(&self, output: &impl Fields) -> Result<Vec<(&'static Field, Value)>> {
        let own = self.own(FieldRole::Output);
        Ok(own.iter().zip(write(output, own)?).collect())
    }

    /// The values of the input or output struct alone.
    pub(crate) fn write(&self, role: FieldRole, fields: &impl Fields) -> Result<Vec<Value>> {
        write(fields, self.own(role))
    }

    /// Puts an output struct together from its own fields' values.
    pub(crate) fn read_outputs<F: Fields>(&self, values: Vec<Option<Value>>) -> Result<F> {
        F::read(&mut Reader::new(self.own(FieldRole::Output), values))
    }

    /// The signature's own layout, compiled at the first use and shared from then on.
    pub(crate) fn layout(&'static self) -> Arc<Layout> {
        let compile = || {
            let compiled = |role| {
                let own = self.own(role).iter().enumerate();
                own.map(|(index, field)| Slot::new(*field, Some(index))).collect()
            };
            let mut inputs: Vec<_> = compiled(FieldRole::Input);
            let history = inputs.iter().position(|slot| slot.compiled.field.is_history());
            Arc::new(Layout {
                signature: self.name,
                instructions: self.instructions(),
                history: history.map(|index| (index, inputs.remove(index))),
                inputs,
                outputs: compiled(FieldRole::Output),
            })
        };
        self.layout.get_or_init(compile).clone()
    }
}

fn write(fields: &impl Fields, own: &[Field]) -> Result<Vec<Value>> {
    let mut writer = Writer::default();
    fields.write(&mut writer);
    writer.finish(|index| own.get(index).map(Field::name))
}

/// A struct of a signature's output fields is what a model may write.
impl<F: Fields> Answer for F {
    fn into_fields(self) -> Result<Vec<(String, Value)>> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        let values = writer.finish(|index| F::NAMES.get(index).copied())?;
        Ok(F::NAMES.iter().map(|name| (*name).to_owned()).zip(values).collect())
    }
}

/// Where a field that is added to a signature stands among those of its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Before the signature's own fields, as `reasoning` before the answer.
    First,
    /// After all others.
    Last,
}

/// The fields of one predictor in prompt order: the signature's own and those added to it.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) signature: &'static str,
    pub(crate) instructions: String,
    pub(crate) inputs: Vec<Slot>,
    pub(crate) outputs: Vec<Slot>,
    /// The input that holds earlier turns, which become messages of their own, and where it stands among the inputs.
    pub(crate) history: Option<(usize, Slot)>,
}

/// One field of a layout, and its index in the typed struct if it is the signature's own.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) compiled: CompiledField,
    pub(crate) own: Option<usize>,
    /// What stands in place of the source's description, as it was set or loaded.
    pub(crate) description: Option<Arc<str>>,
    /// The label that DSPy's files have, where it is not the one derived from the name. No prompt shows it.
    pub(crate) prefix: Option<Arc<str>>,
}

impl Slot {
    fn new(field: Field, own: Option<usize>) -> Self {
        Self { compiled: CompiledField::new(field), own, description: None, prefix: None }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.compiled.name()
    }

    /// The description as files have it.
    pub(crate) fn raw_description(&self) -> &str {
        self.description.as_deref().unwrap_or(self.compiled.field.description())
    }

    /// The description as prompts have it: without the placeholder `${name}` that DSPy's files have where there is none.
    pub(crate) fn shown_description(&self) -> &str {
        let raw = self.raw_description();
        let inside = raw.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if inside == Some(self.name()) { "" } else { raw }
    }
}

impl Layout {
    pub(crate) fn slots(&self, role: FieldRole) -> &[Slot] {
        match role {
            FieldRole::Input => &self.inputs,
            FieldRole::Output => &self.outputs,
        }
    }

    /// The names of the fields that demos have values of: inputs, then outputs.
    pub(crate) fn names(&self) -> Arc<[&'static str]> {
        self.inputs.iter().chain(&self.outputs).map(Slot::name).collect()
    }

    /// Every field as declared: inputs, that of earlier turns among them, then outputs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Slot> {
        let (before, history) = match &self.history {
            Some((index, slot)) => ((*index).min(self.inputs.len()), Some(slot)),
            None => (0, None),
        };
        let (before, after) = self.inputs.split_at(before);
        before.iter().chain(history).chain(after).chain(&self.outputs)
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        let (before, history) = match &mut self.history {
            Some((index, slot)) => ((*index).min(self.inputs.len()), Some(slot)),
            None => (0, None),
        };
        let (before, after) = self.inputs.split_at_mut(before);
        before.iter_mut().chain(history).chain(after).chain(&mut self.outputs)
    }

    /// Adds a field and tells its index among those of its role.
    pub(crate) fn add(&mut self, field: Field, place: Place) -> Result<usize> {
        let name = field.name();
        if self.all().any(|slot| slot.name() == name) {
            let message = format!(
                "the signature `{}` has a field `{name}` already, which this module wants to add: rename it there, or use \
                 the signature without the module",
                self.signature
            );
            return Err(Error::config(message).with_field(name));
        }
        let slots = match field.role() {
            FieldRole::Input => &mut self.inputs,
            FieldRole::Output => &mut self.outputs,
        };
        let index = match place {
            Place::First => 0,
            Place::Last => slots.len(),
        };
        slots.insert(index, Slot::new(field, None));
        if let (FieldRole::Input, Place::First, Some((index, _))) = (field.role(), place, &mut self.history) {
            *index += 1;
        }
        Ok(index)
    }

    /// Whether the rules of its fields can be kept at all.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): those of a field cannot; a pattern is none, or a rule does not suit the type.
    pub(crate) fn check_rules(&self) -> Result<()> {
        let mut mistakes =
            self.outputs.iter().filter_map(|slot| Some((slot, slot.compiled.mistake.as_ref()?)));
        match mistakes.next() {
            None => Ok(()),
            Some((slot, why)) => {
                let message =
                    format!("the rules of the field `{}` of `{}`: {why}", slot.name(), self.signature);
                Err(Error::config(message).with_field(slot.name()))
            }
        }
    }

    /// The value of the field of earlier turns, among those of the typed struct.
    pub(crate) fn history_of(&self, own: &[Value]) -> Option<Value> {
        own.get(self.history.as_ref()?.1.own?).cloned()
    }

    /// Spreads the typed struct's values over the layout's slots; added fields are found by name.
    pub(crate) fn spread(
        &self,
        role: FieldRole,
        own: Vec<Value>,
        added: &[(&str, Value)],
    ) -> Vec<Option<Value>> {
        let mut own: Vec<_> = own.into_iter().map(Some).collect();
        let pick = |slot: &Slot| match slot.own {
            Some(index) => own.get_mut(index).and_then(Option::take),
            None => added.iter().find(|(name, _)| *name == slot.name()).map(|(_, value)| value.clone()),
        };
        self.slots(role).iter().map(pick).collect()
    }

    /// Parts a completion's values into the typed struct's own, in its order, and the added ones by name.
    #[allow(clippy::type_complexity)]
    pub(crate) fn gather(
        &self,
        role: FieldRole,
        values: Vec<Option<Value>>,
    ) -> (Vec<Option<Value>>, Vec<(&'static str, Value)>) {
        let slots = self.slots(role);
        let mut own = vec![None; slots.iter().filter(|slot| slot.own.is_some()).count()];
        let mut added = Vec::new();
        for (slot, value) in slots.iter().zip(values) {
            match (slot.own, value) {
                (Some(index), value) => {
                    if let Some(place) = own.get_mut(index) {
                        *place = value;
                    }
                }
                (None, Some(value)) => added.push((slot.name(), value)),
                (None, None) => {}
            }
        }
        (own, added)
    }
}

mod clash;

#[doc(hidden)]
pub use self::clash::{Clash, NoClash, Probe};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static QA: Spec = Spec::new(
        "Qa",
        "",
        &[
            Field::input::<String>("question", ""),
            Field::output::<String>("answer", ""),
            Field::output::<u8>("score", ""),
        ],
    );

    #[test]
    fn instructions_are_derived_where_there_are_none() {
        assert_eq!(QA.instructions(), "From `question`, give `answer`, `score`.");
    }

    #[test]
    fn an_added_field_stands_where_it_was_put_and_stays_apart_from_the_own_ones() {
        let mut layout = (*QA.layout()).clone();
        layout.add(Field::output::<String>("reasoning", ""), Place::First).unwrap();
        let values =
            layout.spread(FieldRole::Output, vec![json!("Paris"), json!(1)], &[("reasoning", json!("why"))]);
        assert_eq!(values, [Some(json!("why")), Some(json!("Paris")), Some(json!(1))]);
        let (own, added) = layout.gather(FieldRole::Output, values);
        assert_eq!(own, [Some(json!("Paris")), Some(json!(1))]);
        assert_eq!(added, [("reasoning", json!("why"))]);
    }

    #[test]
    fn a_name_that_the_signature_has_cannot_be_added() {
        let mut layout = (*QA.layout()).clone();
        let error = layout.add(Field::input::<String>("answer", ""), Place::Last).unwrap_err();
        assert!(error.is_config());
        assert_eq!(error.field(), Some("answer"));
    }
}
