//! What is derived from a field's type, once per signature: how its values stand in text, and its type in words.

use std::{ops::Not, sync::Arc};

use schemars::SchemaGenerator;
use serde_json::{Map, Value};

use super::{
    Field, FieldValue,
    coerce::{Aliases, Fit, Misfit, Target, lines_of},
    constraints::{Constraints, Violation},
    long_numbers,
    merge::merge,
    patterns::Patterns,
    rules::{Kinds, Rules},
    words,
};
use crate::json::{self, Found, Repair, Written};

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
    /// The type and its rules in words, for prompts and errors.
    pub(crate) type_text: String,
    /// The rules alone; may be empty.
    pub(crate) rules_text: String,
    /// A narrower schema than the type's own, known only at run time.
    narrowed: Option<Value>,
    /// The schema with its definitions.
    target: Arc<Value>,
    /// The field's own rules as a schema.
    own_rules: Arc<Map<String, Value>>,
    /// The schema with its definitions and the field's own rules.
    whole: Arc<Value>,
    constraints: Option<Arc<Constraints>>,
    patterns: Arc<Patterns>,
    /// Why no answer could be right; told at the first call.
    pub(crate) mistake: Option<String>,
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
        let mut mistake = None;
        let rules = field.own_rules();
        let own_rules = compile(&field, &rules, &schema, definitions).unwrap_or_else(|why| {
            mistake = Some(why);
            Map::new()
        });
        let (type_text, rules_text) = texts(&schema, &rules, &own_rules, definitions);
        let mut whole = schema.clone();
        merge(&mut whole, &own_rules, definitions);
        // Names are read in another case too, whether the type or a rule lists them.
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
            field,
            shape,
            optional: field.is_optional(),
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

    /// The JSON schema with the field's own rules, as part of the generator's schema.
    pub(crate) fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        self.with_rules(self.narrowed.clone(), generator)
    }

    /// The same of the field's type, also where it was narrowed.
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

    /// The rules that a value breaks. One in a form of which the schema does not tell, such as an alias, is looked at as the type
    /// writes it; what is not of the type at all breaks none, and the typed read tells of it.
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
            // Another word for one of the values is right, however the type writes it.
            broken.retain(|violation| violation.is_kept_as_it_was(value, &written));
        }
        if broken.is_empty() { constraints.failed(self.name(), value) } else { broken }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.field.name
    }

    /// The value that a piece of a model's text stands for. Bare words where JSON is wanted become a string: an enum's name, a
    /// date; the typed read decides whether that fits.
    pub(crate) fn value_of_text(&self, text: &str) -> FieldValue {
        let is_null = |text: &str| matches!(text, "null" | "None");
        match self.shape {
            Shape::OptionalText if is_null(text.trim()) => Value::Null.into(),
            Shape::Text | Shape::OptionalText => Value::String(text.into()).into(),
            Shape::Json => self.json_value(text),
        }
    }

    /// The value that a text means by the field's schema: one in it that fits, else the text itself. Where neither fits, a type
    /// may still read what its schema does not tell of: the one value of the text or, without one, the text.
    fn json_value(&self, text: &str) -> FieldValue {
        // Brackets in the lines of a Markdown list are none of JSON.
        let lines = unfenced(text.trim());
        if lines_of(lines).is_some() {
            let lines = Value::String(lines.into());
            if self.fit(&lines).is_ok_and(|fit| fit.value.is_array()) {
                return lines.into();
            }
        }
        let found = json::find(text).unwrap_or_default();
        let itself = Value::String(unfenced(text.trim()).into());
        let mut is_lossy = false;
        let fits = |found: &Found| {
            if !found.has_large && self.takes(&found.value) {
                return true;
            }
            match self.fit_written(&found.value, Some(&Written::new(text, found))) {
                // A text as it stands is nearer than one that stands for a value.
                Ok(fit) if fit.repairs.contains(Repair::ValueForText) => {
                    self.fit(&itself).is_ok_and(|own| own.is_nearer(&fit)).not()
                }
                Ok(_) => true,
                Err(misfit) => {
                    is_lossy |= misfit.is_lossy;
                    false
                }
            }
        };
        let (fitting, others) = found.into_iter().partition::<Vec<_>, _>(fits);
        // A name is itself, even where it looks like another value: `None`, `10`, `true`.
        let is_single = |found: &Found| !found.value.is_object() && !found.value.is_array();
        if fitting.iter().any(is_single) && self.wanted().lists(&itself) {
            return itself.into();
        }
        let is_other = fitting.is_empty() && (is_lossy || self.fit(&itself).is_err());
        match json::clear(if is_other { others } else { fitting }) {
            Some(one) => FieldValue::found(text, one),
            None => itself.into(),
        }
    }

    /// The value as the field's type wants it; as it is where the schema says too little to know, so that the typed read decides.
    ///
    /// # Errors
    /// The typed read would change it in silence.
    pub(crate) fn settle(&self, mut found: FieldValue) -> Result<FieldValue, Misfit> {
        let has_large = found.written.as_ref().is_some_and(Written::has_large);
        let is_text = self.shape != Shape::Json && found.value.is_string();
        if !is_text && (has_large || !self.takes(&found.value)) {
            match self.fit_type(&found) {
                Ok(fit) => {
                    found.value = fit.value;
                    found.repairs.extend(fit.repairs);
                }
                Err(misfit) if misfit.is_lossy => return Err(misfit),
                Err(_) => {}
            }
        }
        let (mut has_lost_character, mut has_long_number) = (false, false);
        each_text(&found.value, &mut |text| {
            has_lost_character |= text.contains('\u{fffd}');
            has_long_number |= long_numbers::is_one(text);
        });
        if has_lost_character {
            found.repairs.add(Repair::LostCharacter);
        }
        let written = has_long_number.then(|| self.field.reread(&found.value)).flatten();
        match written.and_then(|written| long_numbers::changed(&found.value, &written)) {
            Some(message) => Err(Misfit { message, is_lossy: true }),
            None => Ok(found),
        }
    }

    /// The value as the type wants it, which may know keys of which its schema does not tell.
    fn fit_type(&self, found: &FieldValue) -> Result<Fit, Misfit> {
        let wanted = self.wanted().written(found.written.as_ref());
        let fit = wanted.coerce(&found.value).or_else(|misfit| self.nothing(&found.value).ok_or(misfit));
        let may_have_aliases = match &fit {
            Ok(fit) => fit.value.is_object() || fit.value.is_array(),
            Err(misfit) => !misfit.is_lossy && may_have_parts(&found.value),
        };
        let is_read = |fit: &Fit| self.field.reread(&fit.value).is_some();
        if !may_have_aliases || fit.as_ref().is_ok_and(is_read) {
            return fit;
        }
        let by = |aliases| wanted.with_aliases(aliases).coerce(&found.value).ok();
        [Aliases::AsGiven, Aliases::Mended].into_iter().filter_map(by).find(is_read).map_or(fit, Ok)
    }

    /// The empty list where null is all that stands for a list. Within a value, null is left to the type.
    fn nothing(&self, value: &Value) -> Option<Fit> {
        let nothing = || self.fit(&Value::String(String::new())).ok();
        value.is_null().then(nothing).flatten().filter(|fit| fit.value.is_array())
    }

    /// The schema with its definitions.
    pub(crate) fn target(&self) -> &Value {
        &self.target
    }

    /// True if its values are lists, or may be.
    pub(crate) fn takes_list(&self) -> bool {
        Kinds::of(&self.target, &self.target).has("array")
    }

    fn wanted(&self) -> Target<'_> {
        Target::new(&self.target).with_patterns(&self.patterns)
    }

    /// True if the value is as the field's type wants it.
    fn takes(&self, value: &Value) -> bool {
        self.wanted().takes(value)
    }

    /// The value as the field's type wants it, if the same can be said in that type.
    pub(crate) fn fit(&self, value: &Value) -> Result<Fit, Misfit> {
        self.fit_written(value, None)
    }

    /// The same of a value that is written so.
    fn fit_written(&self, value: &Value, written: Option<&Written>) -> Result<Fit, Misfit> {
        self.wanted().written(written).coerce(value)
    }
}

/// True for an object, a list, and a text that could be one.
fn may_have_parts(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(['{', '[']),
        other => other.is_object() || other.is_array(),
    }
}

/// Hands out every text of the value.
fn each_text<'v>(value: &'v Value, take: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, take)),
        Value::Object(map) => map.values().for_each(|value| each_text(value, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The field's own rules as a schema.
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

/// Type and rules in words, and the rules alone.
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
        // The words say more to a model than keywords in the midst of a schema.
        type_text = words::describe(schema, definitions);
        parts.iter().for_each(|rule| type_text += &format!(", {rule}"));
    }
    checks.iter().for_each(|check| type_text += &format!(", {check}"));
    parts.extend(checks.into_iter().map(str::to_owned));
    (type_text, parts.join(", "))
}

/// A reference at the top hides the type: put the definition in its place.
pub(super) fn inline_top(schema: &mut Value, definitions: &Map<String, Value>) {
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

/// The inside of a text that is one whole Markdown code block, else the text.
fn unfenced(text: &str) -> &str {
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((language, body)) if language.trim().chars().all(char::is_alphanumeric) => body.trim(),
        _ => text,
    }
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
    fn types_are_told_in_words() {
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

    /// Reads more than its schema tells of.
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
    fn a_type_reads_what_its_schema_does_not_tell_of() {
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

    /// What a field of this type would hold of the text, as JSON; `..` for an error.
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
            // Those are read by the tests of JSON.
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
