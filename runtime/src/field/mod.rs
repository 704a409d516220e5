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
    any::TypeId,
    fmt::{self, Debug},
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::compiled::inline_top;
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
use crate::{
    json::{Found, Written},
    report::Result,
};
#[doc(inline)]
pub use crate::{
    json::{Repair, Repairs},
    signature::{Fields, Place, Spec},
};

/// The types that a signature's field may have: those that serde reads and writes and schemars describes.
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

/// What the macros call. Through a trait without supertraits, a wrong type is one error at the user's token; through functions
/// with a bound, or with the supertraits of [`FieldType`], it would be one for each of them.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a signature's field",
    label = "not a field type: it needs serde's `Serialize` and `Deserialize`, schemars' `JsonSchema`, `Clone` and `Debug`, and must be `Send + Sync + 'static`",
    note = "write `#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]` on `{Self}`",
    note = "for a type of another crate, switch on its `serde` feature and schemars' feature for it (`chrono04`, `uuid1`, `rust_decimal1`, `url2`, `jiff02`, `bytes1`, `indexmap2`, ..: `schemars = {{ version = \"1\", features = [\"chrono04\"] }}`), or wrap it in a struct of your own"
)]
pub trait SignatureField: Sized {
    const INPUT: Field;
    const OUTPUT: Field;
    fn put(&self, writer: &mut Writer);
    fn take(reader: &mut Reader<'_>) -> Result<Self>;
    fn check(rules: Rules, name: &str, words: &str, test: Test<Self>) -> Rules;
}

type Test<T> = fn(&T) -> std::result::Result<(), String>;

#[diagnostic::do_not_recommend]
impl<T: FieldType> SignatureField for T {
    const INPUT: Field = Field::input::<Self>("", "");
    const OUTPUT: Field = Field::output::<Self>("", "");

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

/// What the macros call for `#[output(default)]`: `Default`, with words about the way out.
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

/// The value of an output field as it was read from a model's text, and what was mended on the way.
#[derive(Clone)]
#[non_exhaustive]
pub struct FieldValue {
    /// The value.
    pub value: Value,
    /// What was mended.
    pub repairs: Repairs,
    /// How the value is written, where it may be wanted to the last digit.
    pub(crate) written: Option<Written>,
}

impl FieldValue {
    /// A value that was found in a text.
    pub(crate) fn found(text: &str, found: Found) -> Self {
        let written = (!found.value.is_string() || found.has_large).then(|| Written::new(text, &found));
        Self { value: found.value, repairs: found.repairs, written }
    }

    /// A value that is written so.
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

/// Whether the program gives a field's value or the model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldRole {
    /// The program gives it.
    Input,
    /// The model gives it.
    Output,
}

/// The static facts of one field.
///
/// `#[signature]` writes them for a struct's fields; authors of modules write them for fields that they add to a signature
/// (see [`Predictor::add_field`](crate::Predictor::add_field)).
///
/// ```
/// use karat::field::Field;
///
/// const REASONING: Field = Field::output::<String>("reasoning", "the steps that lead to the answer");
/// assert_eq!(REASONING.name(), "reasoning");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "its setters take it by value and return it"]
pub struct Field {
    name: &'static str,
    role: FieldRole,
    description: &'static str,
    aliases: &'static [&'static str],
    schema: fn(&mut SchemaGenerator) -> Schema,
    takes_null: fn() -> bool,
    is_history: fn() -> bool,
    default: Option<fn() -> Option<Value>>,
    reread: fn(&Value) -> Option<Value>,
    rules: Option<fn(Rules) -> Rules>,
}

impl Field {
    /// A field that the program gives. The description may be empty.
    pub const fn input<T: FieldType>(name: &'static str, description: &'static str) -> Self {
        Self::new::<T>(name, FieldRole::Input, description)
    }

    /// A field that the model gives. The description may be empty.
    pub const fn output<T: FieldType>(name: &'static str, description: &'static str) -> Self {
        Self::new::<T>(name, FieldRole::Output, description)
    }

    const fn new<T: FieldType>(name: &'static str, role: FieldRole, description: &'static str) -> Self {
        Self {
            name,
            role,
            description,
            aliases: &[],
            schema: subschema::<T>,
            takes_null: takes_null::<T>,
            is_history: is_history::<T>,
            default: None,
            reread: reread::<T>,
            rules: None,
        }
    }

    #[doc(hidden)]
    pub const fn named(mut self, name: &'static str, description: &'static str) -> Self {
        self.name = name;
        self.description = description;
        self
    }

    /// Other names under which a model's answer may give the field.
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// What the values of an output field have to keep; see [`Rules`]. Rules on an input are not looked at.
    pub const fn rules(mut self, rules: fn(Rules) -> Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    // Written by `#[output(default)]`. The value is made anew each time; `None` if it has no JSON form.
    #[doc(hidden)]
    pub const fn or_default(mut self, make: fn() -> Option<Value>) -> Self {
        self.default = Some(make);
        self
    }

    /// The name, as prompts and files have it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Who gives the value.
    pub const fn role(&self) -> FieldRole {
        self.role
    }

    /// The description from the source; a predictor's state may have another.
    pub const fn description(&self) -> &'static str {
        self.description
    }

    /// Other names under which a model's answer may give the field.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// The JSON schema of the field's type, as part of the generator's schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// True if the model may leave it out: an absent value is a value of the type, as for `Option`, or the field has a default.
    pub fn is_optional(&self) -> bool {
        self.default.is_some() || self.takes_null()
    }

    /// True if null is a value of the type.
    pub(crate) fn takes_null(&self) -> bool {
        (self.takes_null)()
    }

    /// True if it holds the turns of a conversation before this call; see [`History`].
    pub(crate) fn is_history(&self) -> bool {
        self.role == FieldRole::Input && (self.is_history)()
    }

    /// The field's own rules.
    fn own_rules(&self) -> Rules {
        let rules = self.rules.filter(|_| self.role == FieldRole::Output);
        rules.map(|rules| rules(Rules::default())).unwrap_or_default()
    }

    /// The value as the type writes it; `None` if it is none of the type.
    fn reread(&self, value: &Value) -> Option<Value> {
        (self.reread)(value)
    }

    /// The value that stands for an absent one.
    pub(crate) fn default_value(&self) -> Option<Value> {
        self.default.and_then(|make| make())
    }
}

/// What the macros call for a default.
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

fn is_history<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<History>()
}

fn takes_null<T: DeserializeOwned>() -> bool {
    serde_json::from_value::<T>(Value::Null).is_ok()
}
