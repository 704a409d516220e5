//! What a signature's fields are: static facts, the rules for their values, and how values are read and written.
//!
//! [`#[signature]`](macro@crate::signature) writes the table of a signature ([`Spec`], [`Field`]) and its two halves ([`Fields`]).
//! Modules that add a field of their own, as [`ChainOfThought`](crate::ChainOfThought) adds `reasoning`, name it with [`Field`] and
//! [`Place`]; constraints beyond the type are [`Rules`]; what was mended in a reply is listed as [`Repairs`].
//!
//! ```
//! use karat::{Signature, field::FieldRole, signature};
//!
//! /// Name the capital.
//! #[signature]
//! struct Capital {
//!     /// in English
//!     #[input]
//!     country: String,
//!     #[output]
//!     city: String,
//! }
//!
//! let spec = Capital::spec();
//! assert_eq!((spec.name(), spec.instructions().as_str()), ("Capital", "Name the capital."));
//! let [country, city] = spec.fields() else { panic!("two fields") };
//! assert_eq!((country.name(), country.role(), country.description()), ("country", FieldRole::Input, "in English"));
//! assert_eq!(city.role(), FieldRole::Output);
//! ```

mod coerce;
mod compiled;
mod constraints;
mod defs;
pub(crate) mod history;
mod kind;
mod long_numbers;
mod merge;
pub(crate) mod name;
mod patterns;
mod read;
mod rules;
mod slots;
mod sorted;
mod wide;
mod words;

use std::{
    borrow::Cow,
    fmt::{self, Debug},
};

use karat_lm::Result;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::kind::{FieldKind, HasKind, KindOf, OrValue};
pub(crate) use self::{
    coerce::lines_of,
    compiled::{CompiledField, Shape},
    constraints::Violation,
    history::History,
    slots::read_value,
    sorted::to_value as written,
};
pub use self::{
    rules::{Bound, CheckOutcome, Rules},
    slots::{Reader, Writer},
};
use crate::json::{Found, Written};
#[doc(inline)]
pub use crate::{
    json::{Repair, Repairs},
    signature::{Fields, Place, Spec},
};

/// Type of a signature's field: one that serde reads and writes and schemars describes.
///
/// Implemented for every such type; there is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a signature's field",
    label = "not a field type: it needs serde's `Serialize` and `Deserialize`, schemars' `JsonSchema`, `Clone` and `Debug`, and must be `Send + Sync + 'static`",
    note = "write `#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]` on `{Self}`",
    note = "for a type of another crate, switch on its `serde` feature and schemars' feature for it (`chrono04`, `uuid1`, `rust_decimal1`, `url2`, `jiff02`, `bytes1`, `indexmap2`, ..: `schemars = {{ version = \"1\", features = [\"chrono04\"] }}`), or wrap it in a struct of your own"
)]
pub trait FieldType:
    Serialize + DeserializeOwned + JsonSchema + Clone + Debug + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema + Clone + Debug + Send + Sync + 'static> FieldType for T {}

/// Functions that the macros call. Through a trait without supertraits, a wrong type is one error at the user's token; functions
/// with a bound, or the supertraits of [`FieldType`], would cause one error each.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a signature's field",
    label = "not a field type: it needs serde's `Serialize` and `Deserialize`, schemars' `JsonSchema`, `Clone` and `Debug`, and must be `Send + Sync + 'static`",
    note = "write `#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]` on `{Self}`",
    note = "for a type of another crate, switch on its `serde` feature and schemars' feature for it (`chrono04`, `uuid1`, `rust_decimal1`, `url2`, `jiff02`, `bytes1`, `indexmap2`, ..: `schemars = {{ version = \"1\", features = [\"chrono04\"] }}`), or wrap it in a struct of your own"
)]
pub trait SignatureField: Sized {
    const INPUT: TypeFacts;
    const OUTPUT: TypeFacts;
    fn put(&self, writer: &mut Writer);
    fn take(reader: &mut Reader<'_>) -> Result<Self>;
    fn check(rules: Rules, name: &str, words: &str, test: Test<Self>) -> Rules;
}

type Test<T> = fn(&T) -> std::result::Result<(), String>;

#[diagnostic::do_not_recommend]
impl<T: FieldType> SignatureField for T {
    const INPUT: TypeFacts = TypeFacts::of::<Self>(FieldRole::Input);
    const OUTPUT: TypeFacts = TypeFacts::of::<Self>(FieldRole::Output);

    fn put(&self, writer: &mut Writer) {
        writer.put(self);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self> {
        reader.take()
    }

    fn check(rules: Rules, name: &str, words: &str, test: Test<Self>) -> Rules {
        rules.check(name, words, test)
    }
}

/// `Default` as the macros call it for `#[output(default)]`, with a message that says how to mend a type without one.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no default of its own",
    label = "does not implement `Default`",
    note = "write the default down: `#[output(default = ..)]`, or derive `Default` for `{Self}`"
)]
pub trait OwnDefault: Sized {
    fn own_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> OwnDefault for T {
    fn own_default() -> Self {
        T::default()
    }
}

/// Value of an output field as read from a model's text, with the repairs.
#[derive(Clone)]
#[non_exhaustive]
pub struct FieldValue {
    /// The value.
    pub value: Value,
    /// The flaws that were mended.
    pub repairs: Repairs,
    /// The value's source text, where every digit may be needed.
    pub(crate) written: Option<Written>,
}

impl FieldValue {
    /// Takes a value found in a text.
    pub(crate) fn found(text: &str, found: Found) -> Self {
        let written = (!found.value.is_string() || found.has_large).then(|| Written::new(text, &found));
        Self { value: found.value, repairs: found.repairs, written }
    }

    /// Sets the value's source text.
    pub(crate) fn with(self, written: Written) -> Self {
        Self { written: Some(written), ..self }
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        (&self.value, self.repairs) == (&other.value, other.repairs)
    }
}

impl Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("FieldValue");
        fields.field("value", &self.value).field("repairs", &self.repairs).finish_non_exhaustive()
    }
}

impl From<Value> for FieldValue {
    fn from(value: Value) -> Self {
        Self { value, repairs: Repairs::default(), written: None }
    }
}

/// Role of a field: the program or the model gives its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldRole {
    /// The program gives it.
    Input,
    /// The model gives it.
    Output,
}

/// The facts of a field that its type and role decide.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TypeFacts {
    role: FieldRole,
    kind: FieldKind,
    schema: fn(&mut SchemaGenerator) -> Schema,
    takes_null: fn() -> bool,
    reread: fn(&Value) -> Option<Value>,
}

impl TypeFacts {
    const fn of<T: FieldType>(role: FieldRole) -> Self {
        Self {
            role,
            kind: FieldKind::Value,
            schema: subschema::<T>,
            takes_null: takes_null::<T>,
            reread: reread::<T>,
        }
    }

    /// The same of an input of this kind.
    #[must_use]
    pub const fn of_kind(mut self, kind: FieldKind) -> Self {
        self.kind = kind;
        self
    }

    /// The field of this name. The description may be empty.
    pub const fn named(self, name: &'static str, description: &'static str) -> Field {
        Field {
            name: Cow::Borrowed(name),
            description: Cow::Borrowed(description),
            aliases: &[],
            more_aliases: Vec::new(),
            facts: self,
            default: None,
            rules: None,
        }
    }
}

/// The facts of one field.
///
/// `#[signature]` writes them for a struct's fields; authors of modules write them for fields that they add to a signature
/// (see [`Predictor::add_field`](crate::Predictor::add_field)). Its texts are static in a constant; a program makes others by
/// [`with_name`](Field::with_name), [`with_description`](Field::with_description) and [`with_alias`](Field::with_alias).
///
/// ```
/// use karat::field::Field;
///
/// const REASONING: Field = Field::output::<String>("reasoning", "the steps that lead to the answer");
/// assert_eq!(REASONING.name(), "reasoning");
///
/// let attempt = Field::input::<String>("", "an earlier attempt").with_name(format!("attempt_{}", 1));
/// assert_eq!(attempt.name(), "attempt_1");
/// ```
#[derive(Clone, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Field {
    name: Cow<'static, str>,
    description: Cow<'static, str>,
    // Apart from those that a program made: a constant cannot drop what it replaces.
    aliases: &'static [&'static str],
    more_aliases: Vec<Cow<'static, str>>,
    facts: TypeFacts,
    default: Option<fn() -> Option<Value>>,
    rules: Option<fn(Rules) -> Rules>,
}

impl Field {
    /// Makes a field that the program gives. The description may be empty.
    pub const fn input<T: FieldType>(name: &'static str, description: &'static str) -> Self {
        TypeFacts::of::<T>(FieldRole::Input).named(name, description)
    }

    /// Makes a field that the model gives. The description may be empty.
    pub const fn output<T: FieldType>(name: &'static str, description: &'static str) -> Self {
        TypeFacts::of::<T>(FieldRole::Output).named(name, description)
    }

    /// Sets the name, which may be made at run time.
    pub fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the description, which may be made at run time.
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds another name under which a model's answer may give the field; it may be made at run time.
    pub fn with_alias(mut self, alias: impl Into<Cow<'static, str>>) -> Self {
        self.more_aliases.push(alias.into());
        self
    }

    /// Sets other names under which a model's answer may give the field.
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Sets the rules for the values of an output field; see [`Rules`]. Rules on an input are ignored.
    pub const fn rules(mut self, rules: fn(Rules) -> Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    // Called by `#[output(default)]`. The value is made anew each time; `None` if it has no JSON form.
    #[doc(hidden)]
    pub const fn or_default(mut self, make: fn() -> Option<Value>) -> Self {
        self.default = Some(make);
        self
    }

    /// The name in prompts and files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for a record that outlives the field.
    pub(crate) fn owned_name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    /// The role: the program or the model gives the value.
    pub const fn role(&self) -> FieldRole {
        self.facts.role
    }

    /// How the value reaches the model.
    pub const fn kind(&self) -> FieldKind {
        self.facts.kind
    }

    /// The same field, shown as a value.
    pub(crate) fn shown_as_value(mut self) -> Self {
        self.facts.kind = FieldKind::Value;
        self
    }

    /// The description from the source; a predictor's state may have another.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Other names under which a model's answer may give the field.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().copied().chain(self.more_aliases.iter().map(|alias| &**alias))
    }

    /// The JSON schema of the field's type, as part of the generator's schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.facts.schema)(generator)
    }

    /// True if the model may leave the field out: its type takes an absent value, as `Option` does, or it has a default.
    pub fn is_optional(&self) -> bool {
        self.default.is_some() || self.takes_null()
    }

    /// True if null is a value of the type.
    pub(crate) fn takes_null(&self) -> bool {
        (self.facts.takes_null)()
    }

    /// The field's own rules.
    fn own_rules(&self) -> Rules {
        let rules = self.rules.filter(|_| self.role() == FieldRole::Output);
        rules.map(|rules| rules(Rules::default())).unwrap_or_default()
    }

    /// Reads the value as the type and writes it again; `None` if it is of another type.
    fn reread(&self, value: &Value) -> Option<Value> {
        (self.facts.reread)(value)
    }

    /// The value that stands for an absent one.
    pub(crate) fn default_value(&self) -> Option<Value> {
        self.default.and_then(|make| make())
    }
}

/// Converts a default to JSON, for the macros.
#[doc(hidden)]
pub fn to_value<T: Serialize>(value: &T) -> Option<Value> {
    sorted::to_value(value).ok()
}

fn reread<T: FieldType>(value: &Value) -> Option<Value> {
    to_value(&wide::read::<T>(value).ok()?)
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn takes_null<T: DeserializeOwned>() -> bool {
    serde_json::from_value::<T>(Value::Null).is_ok()
}
