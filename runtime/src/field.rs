//! What a signature's field is: static facts with function pointers for its type, and the shape that its text has.

use std::fmt::Debug;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    text::shortened,
};

/// The types that a signature's field may have: those that serde reads and writes and schemars describes.
///
/// Implemented for every such type; there is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a signature's field",
    label = "not a field type: it needs serde's `Serialize` and `Deserialize`, schemars' `JsonSchema`, `Clone` and `Debug`, and must be `Send + Sync + 'static`",
    note = "write `#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]` on `{Self}`",
    note = "for a type of another crate, switch on its `serde` feature and schemars' feature for it, or wrap it in a struct of your own"
)]
pub trait FieldType:
    Serialize + DeserializeOwned + JsonSchema + Clone + Debug + Send + Sync + 'static
{
    // What the macros call. Through the trait, a wrong type is one error at the user's token; through functions with a bound
    // it would be one for each of them.
    #[doc(hidden)]
    const INPUT: Field = Field::input::<Self>("", "");
    #[doc(hidden)]
    const OUTPUT: Field = Field::output::<Self>("", "");
    #[doc(hidden)]
    fn put(&self, writer: &mut Writer) {
        writer.put(self);
    }
    #[doc(hidden)]
    fn take(reader: &mut Reader<'_>) -> Result<Self> {
        reader.take()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema + Clone + Debug + Send + Sync + 'static> FieldType for T {}

/// Whether the program gives a field's value or the model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldRole {
    /// The program gives it.
    Input,
    /// The model gives it.
    Output,
}

/// The static facts of one field.
///
/// `#[signature]` writes them for a struct's fields; authors of modules write them for fields that they add to a signature
/// (see [`Predictor::with_field`](crate::Predictor::with_field)).
///
/// ```
/// use karat::Field;
///
/// const REASONING: Field = Field::output::<String>("reasoning", "the steps that lead to the answer");
/// assert_eq!(REASONING.name(), "reasoning");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    role: FieldRole,
    description: &'static str,
    aliases: &'static [&'static str],
    schema: fn(&mut SchemaGenerator) -> Schema,
    takes_null: fn() -> bool,
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
        Self { name, role, description, aliases: &[], schema: subschema::<T>, takes_null: takes_null::<T> }
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

    /// True if an absent value is a value of the type, as for `Option`.
    pub fn is_optional(&self) -> bool {
        (self.takes_null)()
    }
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn takes_null<T: DeserializeOwned>() -> bool {
    serde_json::from_value::<T>(Value::Null).is_ok()
}

/// How a field's value stands in text, derived from its schema once per signature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// The text is the value.
    Text,
    /// The text is the value, but for a bare `null` or `None`.
    OptionalText,
    /// Anything else: JSON, with bare words taken as strings.
    Json,
}

/// A field with what is derived from its type.
#[derive(Clone, Debug)]
pub(crate) struct CompiledField {
    pub(crate) field: Field,
    pub(crate) shape: Shape,
    pub(crate) optional: bool,
    /// The type in words, for prompts and errors.
    pub(crate) type_text: String,
    /// A narrower schema than the type's own, known only at run time.
    narrowed: Option<Value>,
}

impl CompiledField {
    pub(crate) fn new(field: Field) -> Self {
        let mut generator = SchemaGenerator::default();
        let schema = field.schema(&mut generator).to_value();
        let definitions = generator.take_definitions(true);
        Self::of(field, schema, &definitions, None)
    }

    /// The field with a narrower schema than its type's, e.g. with the names that a map may have.
    pub(crate) fn narrowed(&self, schema: Value) -> Self {
        Self::of(self.field, schema.clone(), &Map::new(), Some(schema))
    }

    fn of(
        field: Field,
        mut schema: Value,
        definitions: &Map<String, Value>,
        narrowed: Option<Value>,
    ) -> Self {
        inline_top(&mut schema, definitions);
        let shape = match schema.get("type") {
            Some(Value::String(kind)) if kind == "string" && is_free_text(&schema) => Shape::Text,
            Some(Value::Array(kinds)) if *kinds == ["string", "null"] && is_free_text(&schema) => {
                Shape::OptionalText
            }
            _ => Shape::Json,
        };
        let type_text = describe(&schema, definitions);
        Self { field, shape, optional: field.is_optional(), type_text, narrowed }
    }

    /// The JSON schema, as part of the generator's schema.
    pub(crate) fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        self.narrowed.clone().unwrap_or_else(|| self.field.schema(generator).to_value())
    }

    pub(crate) fn name(&self) -> &'static str {
        self.field.name
    }

    /// The value that a piece of a model's text stands for. Bare words where JSON is wanted become a string: an enum's name, a
    /// date; the typed read decides whether that fits.
    pub(crate) fn value_of_text(&self, text: &str) -> Value {
        let is_null = |text: &str| matches!(text, "null" | "None");
        match self.shape {
            Shape::OptionalText if is_null(text.trim()) => Value::Null,
            Shape::Text | Shape::OptionalText => Value::String(text.into()),
            Shape::Json => {
                let text = unfenced(text.trim());
                match serde_json::from_str(text) {
                    Ok(value) => value,
                    Err(_) => match text {
                        "None" => Value::Null,
                        "True" => Value::Bool(true),
                        "False" => Value::Bool(false),
                        _ => Value::String(text.into()),
                    },
                }
            }
        }
    }
}

/// A reference at the top hides the type: put the definition in its place.
fn inline_top(schema: &mut Value, definitions: &Map<String, Value>) {
    let definition = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next())
        .and_then(|name| definitions.get(name))
        .cloned();
    if let Some(definition) = definition {
        *schema = definition;
    }
}

fn is_free_text(schema: &Value) -> bool {
    ["enum", "const", "format"].iter().all(|keyword| schema.get(keyword).is_none())
}

/// The names of a schema's values, where it is a plain list of them.
fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return names.iter().map(Value::as_str).collect();
    }
    let variants = schema.get("oneOf")?.as_array()?;
    variants.iter().map(|variant| variant.get("const").and_then(Value::as_str)).collect()
}

/// The schema in a few words, or itself where words do not do.
fn describe(schema: &Value, definitions: &Map<String, Value>) -> String {
    if let Some(names) = choices(schema) {
        return format!("one of: {}", names.join(", "));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if is_free_text(schema) => return "text".into(),
        Some("integer") => return "whole number".into(),
        Some("number") => return "number".into(),
        Some("boolean") => return "true or false".into(),
        Some("array") => {
            if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
                let mut items = items.clone();
                inline_top(&mut items, definitions);
                let items = describe(&items, definitions);
                if !items.starts_with("JSON") {
                    return format!("JSON list, each item: {items}");
                }
            }
        }
        Some("string") => {
            if let Some(format) = schema.get("format").and_then(Value::as_str) {
                return format!("text, {format}");
            }
        }
        _ => {}
    }
    if let Some([kind, Value::String(null)]) = schema.get("type").and_then(Value::as_array).map(Vec::as_slice)
    {
        if null == "null" {
            let plain = describe(&serde_json::json!({ "type": kind }), definitions);
            return format!("{plain}, or null");
        }
    }
    let mut whole = schema.clone();
    if let Value::Object(map) = &mut whole {
        map.remove("title");
        map.remove("description");
        if whole_refers(schema) && !definitions.is_empty() {
            map.insert("$defs".into(), Value::Object(definitions.clone()));
        }
    }
    format!("JSON of the schema {whole}")
}

fn whole_refers(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("$ref") || map.values().any(whole_refers),
        Value::Array(items) => items.iter().any(whole_refers),
        _ => false,
    }
}

/// The inside of a text that is one whole Markdown code block, else the text.
fn unfenced(text: &str) -> &str {
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((language, body)) if language.trim().chars().all(char::is_alphanumeric) => body.trim(),
        _ => text,
    }
}

/// Takes typed values apart into one JSON value per field, in declared order.
#[derive(Debug, Default)]
pub struct Writer {
    values: Vec<Value>,
    mistake: Option<(usize, serde_json::Error)>,
}

impl Writer {
    /// Adds the next field's value.
    pub fn put<T: FieldType>(&mut self, value: &T) {
        let value = serde_json::to_value(value).unwrap_or_else(|error| {
            self.mistake.get_or_insert((self.values.len(), error));
            Value::Null
        });
        self.values.push(value);
    }

    /// The values, or the first that has no JSON form (e.g. a map whose keys are no strings).
    pub(crate) fn finish(self, fields: &[Field]) -> Result<Vec<Value>> {
        match self.mistake {
            None => Ok(self.values),
            Some((index, error)) => {
                let name = fields.get(index).map_or("?", |field| field.name);
                let message = format!("the value of field `{name}` has no JSON form: {error}");
                Err(Error::config(message).with_field(name).with_source(error))
            }
        }
    }
}

/// Puts typed values together again from one JSON value per field, in declared order.
#[derive(Debug)]
pub struct Reader<'a> {
    fields: &'a [Field],
    values: std::vec::IntoIter<Option<Value>>,
    next: usize,
}

impl<'a> Reader<'a> {
    /// Reads these values, one for each of the fields.
    pub(crate) fn new(fields: &'a [Field], values: Vec<Option<Value>>) -> Self {
        Self { fields, values: values.into_iter(), next: 0 }
    }

    /// The next field's value.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse), with the field's name: the value is absent or of another type.
    pub fn take<T: FieldType>(&mut self) -> Result<T> {
        let name = self.fields.get(self.next).map_or("?", |field| field.name);
        self.next += 1;
        read_value(name, self.values.next().flatten())
    }
}

/// Reads one field's value as its type; an absent value is null, which `Option` takes.
pub(crate) fn read_value<T: DeserializeOwned>(name: &str, value: Option<Value>) -> Result<T> {
    let Some(value) = value else {
        return serde_json::from_value(Value::Null)
            .map_err(|_| Error::parse(format!("the field `{name}` is missing")).with_field(name));
    };
    // Deserializing by reference keeps the value for the message without a copy on the good path.
    T::deserialize(&value).map_err(|error| {
        let found = shortened(&value.to_string(), 200);
        Error::parse(format!("the field `{name}` cannot be read from {found}: {error}"))
            .with_field(name)
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    enum Certainty {
        Low,
        High,
    }

    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    struct Nested {
        certainty: Certainty,
    }

    fn compiled<T: FieldType>() -> CompiledField {
        CompiledField::new(Field::output::<T>("x", ""))
    }

    #[test]
    fn types_are_told_in_words() {
        assert_eq!(compiled::<String>().type_text, "text");
        assert_eq!(compiled::<u8>().type_text, "whole number");
        assert_eq!(compiled::<Certainty>().type_text, "one of: Low, High");
        assert_eq!(compiled::<Vec<Certainty>>().type_text, "JSON list, each item: one of: Low, High");
        assert_eq!(compiled::<Option<String>>().type_text, "text, or null");
        assert!(compiled::<Nested>().type_text.contains("$defs"));
        assert!(compiled::<BTreeMap<String, u8>>().type_text.starts_with("JSON of the schema"));
    }

    #[test]
    fn bare_words_become_strings_and_json_becomes_values() {
        assert_eq!(compiled::<Certainty>().value_of_text("High"), json!("High"));
        assert_eq!(compiled::<Vec<u8>>().value_of_text("```json\n[1]\n```"), json!([1]));
        assert_eq!(compiled::<String>().value_of_text("[1]"), json!("[1]"));
        assert_eq!(compiled::<Option<String>>().value_of_text("None"), json!(null));
        assert_eq!(compiled::<bool>().value_of_text("True"), json!(true));
    }

    #[test]
    fn an_absent_value_is_none_for_an_option_and_an_error_for_the_rest() {
        assert_eq!(read_value::<Option<u8>>("x", None).unwrap(), None);
        assert_eq!(read_value::<u8>("x", None).unwrap_err().field(), Some("x"));
        assert!(read_value::<u8>("x", Some(json!(300))).unwrap_err().to_string().contains("300"));
    }
}
