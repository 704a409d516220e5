//! Compiles a field once per signature: the form of its values in text, its type in words, its schema and rules.

use std::sync::Arc;

use schemars::SchemaGenerator;
use serde_json::{Map, Value};

use super::{
    Field,
    constraints::{Constraints, Violation},
    merge::{inline_top, merge},
    patterns::Patterns,
    rules::{Kinds, Rules},
    words,
};

/// Form of a field's values in text, derived from its schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// The text is the value.
    Text,
    /// The text is the value, but for a bare `null` or `None`.
    OptionalText,
    /// The text is JSON; bare words are strings.
    Json,
}

/// A field with everything derived from its type and rules.
#[derive(Clone, Debug)]
pub(crate) struct CompiledField {
    pub(crate) field: Field,
    pub(crate) shape: Shape,
    pub(crate) optional: bool,
    /// The type and its rules in words, for prompts and errors.
    pub(crate) type_text: String,
    /// The rules alone; may be empty.
    pub(crate) rules_text: String,
    /// A narrower schema than the type's own, set at run time.
    narrowed: Option<Value>,
    /// The schema with its definitions.
    pub(super) target: Arc<Value>,
    /// The field's own rules as a schema.
    own_rules: Arc<Map<String, Value>>,
    /// The schema with its definitions and the field's own rules.
    whole: Arc<Value>,
    constraints: Option<Arc<Constraints>>,
    pub(super) patterns: Arc<Patterns>,
    /// Why no answer could keep the rules; reported at the first call.
    pub(crate) mistake: Option<String>,
}

impl CompiledField {
    pub(crate) fn new(field: Field) -> Self {
        let mut generator = SchemaGenerator::default();
        let schema = field.schema(&mut generator).to_value();
        let definitions = generator.take_definitions(true);
        Self::of(field, schema, &definitions, None)
    }

    /// Returns the field with a narrower schema than its type's, e.g. with the names that a map may have.
    pub(crate) fn narrowed(&self, schema: Value) -> Self {
        Self::of(self.field.clone(), schema.clone(), &Map::new(), Some(schema))
    }

    fn of(
        field: Field,
        mut schema: Value,
        definitions: &Map<String, Value>,
        narrowed: Option<Value>,
    ) -> Self {
        inline_top(&mut schema, definitions);
        let mut mistake = None;
        let rules = field.own_rules();
        let own_rules = compile(&field, &rules, &schema, definitions).unwrap_or_else(|why| {
            mistake = Some(why);
            Map::new()
        });
        let (type_text, rules_text) = texts(&schema, &rules, &own_rules, definitions);
        let mut whole = schema.clone();
        merge(&mut whole, &own_rules, definitions);
        // A name may be in another case, whether the type or a rule lists it.
        merge(&mut schema, &words::names(&own_rules), definitions);
        let shape = match schema.get("type") {
            Some(Value::String(kind)) if kind == "string" && is_free_text(&schema) => Shape::Text,
            Some(Value::Array(kinds)) if *kinds == ["string", "null"] && is_free_text(&schema) => {
                Shape::OptionalText
            }
            _ => Shape::Json,
        };
        for schema in [&mut schema, &mut whole] {
            if let (Some(object), false) = (schema.as_object_mut(), definitions.is_empty()) {
                object.insert("$defs".into(), Value::Object(definitions.clone()));
            }
        }
        let patterns = Patterns::of(&whole).map_err(|why| mistake = Some(why)).map(Arc::new).ok();
        let constraints = patterns.clone().map(|patterns| Constraints::new(&whole, patterns, rules.checks()));
        Self {
            optional: field.is_optional(),
            field,
            shape,
            type_text,
            rules_text,
            narrowed,
            target: Arc::new(schema),
            own_rules: Arc::new(own_rules),
            whole: Arc::new(whole),
            constraints: constraints.filter(|constraints| !constraints.is_empty()).map(Arc::new),
            patterns: patterns.unwrap_or_default(),
            mistake,
        }
    }

    /// Returns the JSON schema with the field's own rules, as part of the generator's schema.
    pub(crate) fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        self.with_rules(self.narrowed.clone(), generator)
    }

    /// Returns the schema of the field's type with its rules, without a narrower one.
    pub(crate) fn declared_schema(&self, generator: &mut SchemaGenerator) -> Value {
        self.with_rules(None, generator)
    }

    fn with_rules(&self, narrowed: Option<Value>, generator: &mut SchemaGenerator) -> Value {
        let mut schema = narrowed.unwrap_or_else(|| self.field.schema(generator).to_value());
        if !self.own_rules.is_empty() {
            merge(&mut schema, &self.own_rules, generator.definitions());
        }
        schema
    }

    /// Finds the rules that a value breaks.
    ///
    /// A value in a form that the schema does not describe, such as an alias, is checked as the type writes it. A value that is not
    /// of the type breaks no rule: the typed read reports it.
    pub(crate) fn broken(&self, value: &Value) -> Vec<Violation> {
        let Some(constraints) = &self.constraints else { return Vec::new() };
        if value.is_null() && self.field.takes_null() {
            return Vec::new();
        }
        let (mut broken, mut is_known) = (Vec::new(), false);
        if self.wanted().is_kept_by(value) {
            let (found, has_other_keys) = constraints.broken(self.name(), &self.whole, value);
            is_known = !has_other_keys || !found.is_empty();
            broken = found;
        }
        if !is_known {
            let Some(written) = self.field.reread(value) else { return Vec::new() };
            (broken, _) = constraints.broken(self.name(), &self.whole, &written);
            // An alias of a listed value keeps the rule, however the type writes it.
            broken.retain(|violation| violation.is_kept_as_it_was(value, &written));
        }
        if broken.is_empty() { constraints.failed(self.name(), value) } else { broken }
    }

    pub(crate) fn name(&self) -> &str {
        &self.field.name
    }

    /// The schema with its definitions.
    pub(crate) fn target(&self) -> &Value {
        &self.target
    }

    /// True if its values are lists, or may be.
    pub(crate) fn takes_list(&self) -> bool {
        Kinds::of(&self.target, &self.target).has("array")
    }
}

/// Compiles the field's own rules to a schema.
///
/// # Errors
/// Why they do not suit its type.
fn compile(
    field: &Field,
    rules: &Rules,
    schema: &Value,
    definitions: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let root = serde_json::json!({ "$defs": definitions });
    let own = rules.schema(&Kinds::of(schema, &root))?;
    match rules.choices().unwrap_or_default().iter().find(|value| field.reread(value).is_none()) {
        Some(other) => Err(format!("`one_of` names {other}, which is no value of its type")),
        None => Ok(own),
    }
}

/// Writes the type with its rules in words, and the rules alone.
fn texts(
    schema: &Value,
    rules: &Rules,
    own: &Map<String, Value>,
    definitions: &Map<String, Value>,
) -> (String, String) {
    let mut whole = schema.clone();
    merge(&mut whole, own, definitions);
    let mut parts = words::rules(&whole);
    let choices = rules.choices().and_then(words::list);
    parts.extend(choices);
    if let Some(items) = whole.get("items") {
        let choices = own.get("items").and_then(words::choices);
        let items = words::rules(items).into_iter().chain(choices);
        parts.extend(items.map(|rule| format!("each item {rule}")));
    }
    let checks: Vec<_> = rules.checks().iter().filter_map(|check| check.words.as_deref()).collect();
    let mut type_text = words::describe(&whole, definitions);
    if type_text.starts_with(words::OF_SCHEMA) && !own.is_empty() {
        // A model understands words better than keywords within a schema.
        type_text = words::describe(schema, definitions);
        parts.iter().for_each(|rule| type_text += &format!(", {rule}"));
    }
    checks.iter().for_each(|check| type_text += &format!(", {check}"));
    parts.extend(checks.into_iter().map(str::to_owned));
    (type_text, parts.join(", "))
}

fn is_free_text(schema: &Value) -> bool {
    ["enum", "const", "format"].iter().all(|keyword| schema.get(keyword).is_none())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::field::FieldType;

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
    fn types_are_described_in_words() {
        assert_eq!(compiled::<String>().type_text, "text");
        assert_eq!(compiled::<u8>().type_text, "whole number");
        assert_eq!(compiled::<Certainty>().type_text, "one of: Low, High");
        assert_eq!(compiled::<Vec<Certainty>>().type_text, "JSON list, each item: one of: Low, High");
        assert_eq!(compiled::<Option<String>>().type_text, "text, or null");
        assert!(compiled::<Nested>().type_text.contains("$defs"));
        assert!(compiled::<BTreeMap<String, u8>>().type_text.starts_with("JSON of the schema"));
    }

    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    #[schemars(title = "A title")]
    struct Titled {
        first: u8,
        last: Vec<String>,
    }

    #[test]
    fn a_schema_in_a_prompt_keeps_the_order_of_its_keys() {
        let text = compiled::<Titled>().type_text;
        let places =
            ["type", "properties", "first", "last", "required"].map(|key| text.find(&format!("\"{key}\"")));
        assert!(places.is_sorted() && places[0].is_some() && !text.contains("title"), "{text}");
    }

    #[test]
    fn bare_words_become_strings_and_json_becomes_values() {
        assert_eq!(compiled::<Certainty>().value_of_text("High").value, json!("High"));
        assert_eq!(compiled::<Vec<u8>>().value_of_text("```json\n[1]\n```").value, json!([1]));
        assert_eq!(compiled::<String>().value_of_text("[1]").value, json!("[1]"));
        assert_eq!(compiled::<Option<String>>().value_of_text("None").value, json!(null));
        assert_eq!(compiled::<bool>().value_of_text("True").value, json!(true));
    }

    /// Reads more forms than its schema describes.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Code {
        Number(u32),
        Parts(Vec<u32>),
    }

    impl JsonSchema for Code {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Code".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({ "type": "integer" })
        }
    }

    #[test]
    fn a_type_may_read_forms_that_its_schema_does_not_describe() {
        assert_eq!(read::<Code>("7"), "7");
        assert_eq!(read::<Code>("Here: [1, 2,]"), "[1,2]");
        assert_eq!(read::<Code>("[1] or [2]"), "..");
    }

    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    enum Level {
        Low,
        VeryHigh,
    }

    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    struct Person {
        name: String,
        age: Option<u8>,
    }

    /// Reads the text as a field of this type, and returns the value as JSON; `..` for an error.
    fn read<T: FieldType>(text: &str) -> String {
        let field = compiled::<T>();
        let settled = field.settle(field.value_of_text(text)).map(|settled| settled.value);
        let typed = settled.ok().and_then(|value| crate::field::read_value::<T>("x", Some(value)).ok());
        typed.map_or("..".into(), |value| serde_json::to_string(&value).unwrap())
    }

    #[test]
    fn the_rows_of_the_page_on_answers_are_true() {
        let Some(page) = crate::repository::file("docs/answers.md") else { return };
        let page = page.split("## Field markers").next().unwrap();
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let (kind, text, value) = (cells.next()?, cells.next()?, cells.next()?);
            // The tests of `json` read these rows.
            if kind == "JSON" {
                return None;
            }
            Some((kind, text.strip_prefix('`')?.strip_suffix('`')?, value.trim_end_matches(" |")))
        });
        let mut count = 0;
        for (kind, text, value) in rows {
            let text = &text.replace('⏎', "\n");
            let found = match kind {
                "whole number" => read::<i64>(text),
                "whole number of 128 bits" => read::<i128>(text),
                "number" => read::<f64>(text),
                "true or false" => read::<bool>(text),
                "Low or VeryHigh" => read::<Level>(text),
                "list of texts" => read::<Vec<String>>(text),
                "list of whole numbers" => read::<Vec<i64>>(text),
                "name and age" => read::<Person>(text),
                "text" => read::<String>(text),
                "text or nothing" => read::<Option<String>>(text),
                other => panic!("{other}"),
            };
            assert_eq!(found, value, "{kind} of {text}");
            count += 1;
        }
        assert!(count > 45, "{count}");
    }
}
