//! Signatures: the table of a task that `#[signature]` writes, and the layout that the engine uses.

use std::{
    borrow::Cow,
    fmt::Debug,
    sync::{Arc, OnceLock},
};

use karat_lm::{Error, Result};
use serde_json::Value;

use crate::field::{CompiledField, Field, FieldKind, FieldRole, History, Reader, Writer};

/// A typed task: instructions, input fields, output fields. Implemented by [`#[signature]`](macro@crate::signature).
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

    /// Joins the two halves of an example.
    fn join(input: Self::Input, output: Self::Output) -> Self;

    /// Splits an example into its two halves.
    fn split(self) -> (Self::Input, Self::Output);
}

/// A struct whose fields are written and read one by one, in declared order. Implemented by
/// [`#[signature]`](macro@crate::signature).
pub trait Fields: Clone + Debug + Send + Sync + Sized + 'static {
    /// The names of the fields, in declared order.
    const NAMES: &'static [&'static str];

    /// Writes each field's value.
    fn write(&self, writer: &mut Writer);

    /// Reads each field's value.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse), with the field's name, at the first that is absent or does not fit its type.
    fn read(reader: &mut Reader<'_>) -> Result<Self>;
}

/// The table of a signature: its name, instructions and fields, inputs first.
///
/// It is static where the compiler writes it; [`Spec::of`] makes one at run time.
#[derive(Debug)]
pub struct Spec {
    name: Cow<'static, str>,
    instructions: Cow<'static, str>,
    fields: Cow<'static, [Field]>,
    layout: OnceLock<Arc<Layout>>,
}

impl Spec {
    /// A static table, its inputs first. Empty instructions mean: derive them from the fields.
    pub const fn new(name: &'static str, instructions: &'static str, fields: &'static [Field]) -> Self {
        Self {
            name: Cow::Borrowed(name),
            instructions: Cow::Borrowed(instructions),
            fields: Cow::Borrowed(fields),
            layout: OnceLock::new(),
        }
    }

    /// A table that is made at run time. Empty instructions mean: derive them from the fields.
    ///
    /// ```
    /// use karat::field::{Field, Spec};
    ///
    /// let columns = ["city", "country"];
    /// let fields = columns.map(|name| Field::output::<String>("", "").with_name(name.to_owned()));
    /// let spec = Spec::of("Row", "", [Field::input::<String>("text", "")].into_iter().chain(fields))?;
    /// assert_eq!(spec.instructions(), "From `text`, give `city`, `country`.");
    /// # Ok::<(), karat::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): two fields have one name.
    pub fn of(
        name: impl Into<Cow<'static, str>>,
        instructions: impl Into<Cow<'static, str>>,
        fields: impl IntoIterator<Item = Field>,
    ) -> Result<Self> {
        let name = name.into();
        let mut fields: Vec<_> = fields.into_iter().collect();
        // Within its role, each stays where it is.
        fields.sort_by_key(|field| field.role() == FieldRole::Output);
        for (index, field) in fields.iter().enumerate() {
            if fields.iter().take(index).any(|other| other.name() == field.name()) {
                let message = format!("the signature `{name}` has two fields `{}`", field.name());
                return Err(Error::config(message).with_field(field.name()));
            }
        }
        let (instructions, layout) = (instructions.into(), OnceLock::new());
        Ok(Self { name, instructions, fields: fields.into(), layout })
    }

    /// The signature's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The instructions: the doc comment's, or derived from the fields where there is none.
    pub fn instructions(&self) -> String {
        if !self.instructions.is_empty() {
            return self.instructions.clone().into_owned();
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
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn own(&self, role: FieldRole) -> &[Field] {
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
    pub fn write_inputs(&self, input: &impl Fields) -> Result<Vec<(&Field, Value)>> {
        let own = self.own(FieldRole::Input);
        Ok(own.iter().zip(write(input, own)?).collect())
    }

    /// The output struct's values, each with its field.
    ///
    /// # Errors
    /// [`is_bad_input`](Error::is_bad_input): a value has no JSON form.
    pub fn write_outputs(&self, output: &impl Fields) -> Result<Vec<(&Field, Value)>> {
        let own = self.own(FieldRole::Output);
        Ok(own.iter().zip(write(output, own)?).collect())
    }

    /// Writes the values of the input or output struct alone.
    pub(crate) fn write(&self, role: FieldRole, fields: &impl Fields) -> Result<Vec<Value>> {
        write(fields, self.own(role))
    }

    /// Builds an output struct from its own fields' values.
    pub(crate) fn read_outputs<F: Fields>(&self, values: Vec<Option<Value>>) -> Result<F> {
        F::read(&mut Reader::new(self.own(FieldRole::Output), values))
    }

    /// The signature's own layout, compiled at the first use and shared from then on.
    pub(crate) fn layout(&self) -> Arc<Layout> {
        let compile = || {
            let mut layout = Layout {
                signature: self.name.clone(),
                instructions: self.instructions(),
                inputs: Vec::new(),
                outputs: Vec::new(),
            };
            for role in [FieldRole::Input, FieldRole::Output] {
                for (index, field) in self.own(role).iter().enumerate() {
                    layout.insert(index, field.clone(), Some(index));
                }
            }
            Arc::new(layout)
        };
        self.layout.get_or_init(compile).clone()
    }
}

fn write(fields: &impl Fields, own: &[Field]) -> Result<Vec<Value>> {
    let mut writer = Writer::default();
    fields.write(&mut writer);
    writer.finish(|index| own.get(index).map(Field::name))
}

impl History {
    /// Adds a turn: what was asked, without its own earlier turns, and what was answered.
    ///
    /// # Errors
    /// [`is_bad_input`](Error::is_bad_input): a value has no JSON form.
    pub fn push<S: Signature>(&mut self, input: &S::Input, output: &S::Output) -> Result<()> {
        let spec = S::spec();
        let values = spec.write_inputs(input)?.into_iter().chain(spec.write_outputs(output)?);
        let values = values.filter(|(field, _)| field.kind() != FieldKind::Turns);
        self.push_values(values.map(|(field, value)| (field.name().to_owned(), value)).collect());
        Ok(())
    }
}

/// The fields of a half of a signature by name, for the macros' [`Answer`](crate::lm::Answer).
pub fn named_values<F: Fields>(fields: &F) -> Result<Vec<(String, Value)>> {
    let mut writer = Writer::default();
    fields.write(&mut writer);
    let values = writer.finish(|index| F::NAMES.get(index).copied())?;
    Ok(F::NAMES.iter().map(|name| (*name).to_owned()).zip(values).collect())
}

/// Position of a field that is added to a signature, among those of its role.
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
    pub(crate) signature: Cow<'static, str>,
    pub(crate) instructions: String,
    /// At most one of them is of the kind [`FieldKind::Turns`].
    pub(crate) inputs: Vec<Slot>,
    pub(crate) outputs: Vec<Slot>,
}

/// One field of a layout, and its index in the typed struct if it is the signature's own.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) compiled: CompiledField,
    pub(crate) own: Option<usize>,
    /// The description that was set or loaded in place of the source's.
    pub(crate) description: Option<Arc<str>>,
    /// The label that DSPy's files have, where it is not the one derived from the name. No prompt shows it.
    pub(crate) prefix: Option<Arc<str>>,
}

impl Slot {
    fn new(field: Field, own: Option<usize>) -> Self {
        Self { compiled: CompiledField::new(field), own, description: None, prefix: None }
    }

    pub(crate) fn name(&self) -> &str {
        self.compiled.name()
    }

    /// The name for a record that outlives the layout.
    pub(crate) fn owned_name(&self) -> Cow<'static, str> {
        self.compiled.field.owned_name()
    }

    /// True if it holds the earlier turns, which become messages of their own.
    pub(crate) fn is_turns(&self) -> bool {
        self.compiled.field.kind() == FieldKind::Turns
    }

    /// The description in files.
    pub(crate) fn raw_description(&self) -> &str {
        self.description.as_deref().unwrap_or(self.compiled.field.description())
    }

    /// The description in prompts: without the placeholder `${name}` of DSPy's files, which means none.
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

    /// The fields that a message shows at their place: all of the role but that of earlier turns.
    pub(crate) fn shown(&self, role: FieldRole) -> impl Iterator<Item = &Slot> {
        self.slots(role).iter().filter(|slot| !slot.is_turns())
    }

    /// The names of the fields that demos have values of: the shown ones, inputs first.
    pub(crate) fn names(&self) -> Arc<[Cow<'static, str>]> {
        self.shown(FieldRole::Input).chain(&self.outputs).map(Slot::owned_name).collect()
    }

    /// The field of earlier turns.
    pub(crate) fn turns(&self) -> Option<&Slot> {
        self.inputs.iter().find(|slot| slot.is_turns())
    }

    /// Every field as declared: inputs, then outputs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.inputs.iter().chain(&self.outputs)
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.inputs.iter_mut().chain(&mut self.outputs)
    }

    /// Adds a field.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): there is a field of its name.
    pub(crate) fn add(&mut self, field: Field, place: Place) -> Result<()> {
        let name = field.name();
        if self.all().any(|slot| slot.name() == name) {
            let message = format!(
                "the signature `{}` has a field `{name}` already, which this module wants to add: rename it there, or use \
                 the signature without the module",
                self.signature
            );
            return Err(Error::config(message).with_field(name));
        }
        let index = match place {
            Place::First => 0,
            Place::Last => self.slots(field.role()).len(),
        };
        self.insert(index, field, None);
        Ok(())
    }

    /// Puts a field at this index among those of its role. One kind has a single field: a second one of earlier turns is a value.
    fn insert(&mut self, index: usize, field: Field, own: Option<usize>) {
        let is_second = field.kind() == FieldKind::Turns && self.turns().is_some();
        let field = if is_second { field.shown_as_value() } else { field };
        let slots = match field.role() {
            FieldRole::Input => &mut self.inputs,
            FieldRole::Output => &mut self.outputs,
        };
        slots.insert(index.min(slots.len()), Slot::new(field, own));
    }

    /// Checks that the rules of its fields can be kept.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config): no value can keep a field's rules, a pattern is invalid, or a rule does not suit the type.
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

    /// Splits a completion's values into those of the typed struct, in its order, and the added ones by name.
    #[allow(clippy::type_complexity)]
    pub(crate) fn gather(
        &self,
        role: FieldRole,
        values: Vec<Option<Value>>,
    ) -> (Vec<Option<Value>>, Vec<(Cow<'static, str>, Value)>) {
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
                (None, Some(value)) => added.push((slot.owned_name(), value)),
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

    const FIELDS: &[Field] = &[
        Field::input::<String>("question", ""),
        Field::output::<String>("answer", ""),
        Field::output::<u8>("score", ""),
    ];
    static QA: Spec = Spec::new("Qa", "", FIELDS);

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
        assert_eq!(added, [("reasoning".into(), json!("why"))]);
    }

    #[test]
    fn a_name_that_the_signature_has_cannot_be_added() {
        let mut layout = (*QA.layout()).clone();
        let error = layout.add(Field::input::<String>("answer", ""), Place::Last).unwrap_err();
        assert!(error.is_config());
        assert_eq!(error.field(), Some("answer"));
    }
}
