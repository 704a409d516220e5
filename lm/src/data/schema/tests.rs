//! Rust types of every form in every dialect: the schema obeys the dialect, and every value of the type fits it.

mod grammar;
mod types;

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use self::{grammar::well_formed, types::*};
use super::{
    Refusal,
    dialect::{Dialect, LLAMA_CPP, OPENAI, OPENAI_LOOSE, PLAIN, PLAIN_LOOSE, STANDARD, XGRAMMAR},
    encode::encode,
};
use crate::data::AnswerSchema;

static ALL: [&Dialect; 7] = [&STANDARD, &OPENAI, &OPENAI_LOOSE, &PLAIN, &PLAIN_LOOSE, &XGRAMMAR, &LLAMA_CPP];

/// The schema of an answer with this one field, as an adapter makes it.
fn answer<T: JsonSchema>(description: &str) -> Value {
    let mut generator = SchemaGenerator::default();
    let mut field = match generator.subschema_for::<T>().to_value() {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    if !description.is_empty() {
        field.insert("description".into(), description.into());
    }
    json!({
        "type": "object",
        "properties": { "field": field },
        "required": ["field"],
        "additionalProperties": false,
        "$defs": generator.take_definitions(true),
    })
}

fn written<T: JsonSchema>(dialect: &'static Dialect) -> Result<Value, Refusal> {
    encode(&answer::<T>("what it is"), dialect)
}

/// In every dialect that can express the type: what is written is well formed, and these are values of it.
fn check<T: JsonSchema + Serialize + DeserializeOwned>(is_open: bool, values: impl IntoIterator<Item = T>) {
    let name = std::any::type_name::<T>();
    let values: Vec<_> = values.into_iter().map(|value| json!({ "field": value })).collect();
    for dialect in ALL {
        let schema = match written::<T>(dialect) {
            Ok(schema) => schema,
            Err(refusal) => {
                assert!(is_open && dialect.open.is_none() && !refusal.is_limit, "{name}: {refusal}");
                continue;
            }
        };
        assert!(!is_open || dialect.open.is_some(), "{name} in {}: {schema}", dialect.name);
        well_formed(&schema, dialect);
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for value in &values {
            let problems: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{name} in {}: {problems:?}\n{value}\n{schema}", dialect.name);
        }
        let closed = encode(&answer::<T>("what it is"), &STANDARD).unwrap();
        assert_eq!(encode(&closed, dialect).unwrap(), schema, "{name} in {}", dialect.name);
    }
}

#[test]
fn every_type_is_written_in_every_dialect_and_its_values_fit() {
    let text = || "b".to_owned();
    check(false, [Level::Low, Level::High]);
    check(false, [point(), before(0)]);
    check(
        false,
        [
            External::Unit,
            External::New(point()),
            External::Tuple(1, text()),
            External::Struct { a: 1, b: Box::new(External::Unit) },
        ],
    );
    check(false, [Internal::Unit, Internal::New(point()), Internal::Struct { a: 1 }]);
    check(
        false,
        [Adjacent::Unit, Adjacent::New(point()), Adjacent::Tuple(1, text()), Adjacent::Struct { a: 1 }],
    );
    check(
        false,
        [
            Untagged::Unit,
            Untagged::New(point()),
            Untagged::Tuple(1, text()),
            Untagged::Struct { a: 1 },
            Untagged::Text(text()),
        ],
    );
    let more = More { note: None };
    check(
        false,
        [
            Flattened { id: 1, more: more.clone(), kind: Internal::New(point()) },
            Flattened { id: 1, more, kind: Internal::Struct { a: 2 } },
        ],
    );
    check(
        false,
        [
            TwoFlattened { id: 1, one: External::Tuple(1, text()), two: Some(Adjacent::Struct { a: 1 }) },
            TwoFlattened { id: 1, one: External::Unit, two: None },
        ],
    );
    check(true, [FlattenedMap { id: 1, others: [(text(), 2)].into() }]);
    let leaf = Tree { value: -1, children: vec![] };
    check(false, [Tree { value: 2, children: vec![leaf.clone(), leaf] }]);
    check(false, [Some(Level::Low), None]);
    check(false, [Some(vec![(1_u8, text())]), None]);
    check(false, [((1_u8, text(), Some(true)), [(1_i8, 2_i8)])]);
    check(
        false,
        [Names {
            format: text(),
            properties: 1,
            reference: text(),
            kind: None,
            choice: vec![1],
            any_of: true,
            required: (1, 2),
            default: Level::Low,
        }],
    );
    check(
        false,
        [Ruled {
            stars: 5,
            text: "aaa".into(),
            mail: "a@b.org".into(),
            set: [1].into(),
            three: [1, 2, 3],
            letter: 'x',
            float: 0.5,
            big: 1,
            huge: u64::MAX,
            duration: std::time::Duration::from_secs(1),
            unit: Unit,
            empty: Empty {},
            wrapped: Wrapped(Level::High),
            generic: Generic { inner: None },
            result: Err(text()),
            twice: None,
        }],
    );
    check(
        true,
        [Open {
            any: json!([1, {}]),
            perhaps: Some(json!("x")),
            map: [(text(), point())].into(),
            levels: [(text(), Level::Low)].into(),
            by_number: [(1, text())].into(),
        }],
    );
    check(true, [json!(1), json!({ "a": null })]);
}

#[test]
fn rules_that_a_dialect_lacks_are_in_the_descriptions_in_words() {
    let schema = written::<Ruled>(&PLAIN).unwrap();
    let ruled = &schema["$defs"]["Ruled"]["properties"];
    assert_eq!(ruled["stars"], json!({ "description": "at least 1; at most 5", "type": "integer" }));
    assert_eq!(
        ruled["text"]["description"],
        "at least 1 characters; at most 9 characters; matches the regular expression ^a+$"
    );
    assert_eq!(ruled["mail"]["description"], "format: email");
    assert_eq!(ruled["set"]["description"], "no item twice");
    let point = written::<Point>(&OPENAI).unwrap();
    let definition = &point["$defs"]["Point"];
    assert_eq!(definition["description"], "`certainty`: how sure");
    assert_eq!(definition["properties"]["weight"]["description"], "default: 5");
    assert_eq!(definition["properties"]["weight"]["type"], json!(["integer", "null"]));
    assert_eq!(definition["properties"]["before"]["description"], "the one before");
    assert_eq!(point["description"], "`field`: what it is");
    let level = &point["$defs"]["Level"];
    assert_eq!(
        *level,
        json!({ "description": "High: above all others", "type": "string", "enum": ["Low", "High"] })
    );
}

#[test]
fn a_tuple_without_words_for_it_is_a_list_of_its_length_with_the_order_in_words() {
    let schema = written::<(u8, String, Level)>(&OPENAI).unwrap();
    let field = &schema["properties"]["field"];
    assert_eq!((&field["minItems"], &field["maxItems"]), (&json!(3), &json!(3)));
    assert_eq!(field["items"]["anyOf"].as_array().unwrap().len(), 3);
    assert_eq!(field["description"], "what it is; the items, in this order: integer, string, Level");
    assert!(written::<(u8, u8)>(&LLAMA_CPP).unwrap()["properties"]["field"]["prefixItems"].is_array());
}

#[test]
fn a_recursive_type_refers_to_itself() {
    for dialect in ALL {
        let schema = written::<Tree>(dialect).unwrap();
        assert_eq!(schema["properties"]["field"], json!({ "$ref": "#/$defs/Tree" }));
        assert_eq!(
            schema["$defs"]["Tree"]["properties"]["children"]["items"],
            json!({ "$ref": "#/$defs/Tree" })
        );
    }
}

#[test]
fn a_reference_to_the_root_becomes_one_to_a_definition() {
    let schema = json!({
        "title": "Node",
        "type": "object",
        "properties": { "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } },
        "required": ["next"],
    });
    for dialect in ALL {
        let written = encode(&schema, dialect).unwrap();
        well_formed(&written, dialect);
        jsonschema::draft202012::new(&written)
            .unwrap()
            .validate(&json!({ "next": { "next": null } }))
            .unwrap();
    }
}

#[test]
fn definitions_of_odd_names_get_plain_ones() {
    let names = ["a/b", "a~b", "a b", "", "Ünïcode", "$ref", "properties"];
    let point =
        |name: &str| json!({ "$ref": format!("#/$defs/{}", name.replace('~', "~0").replace('/', "~1")) });
    let properties: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), point(name))).collect();
    let definitions: Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "enum": [name] }))).collect();
    let schema =
        json!({ "type": "object", "properties": properties, "required": names, "$defs": definitions });
    let value: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    for dialect in ALL {
        let written = encode(&schema, dialect).unwrap();
        well_formed(&written, dialect);
        assert_eq!(written["$defs"].as_object().unwrap().len(), names.len());
        jsonschema::draft202012::new(&written).unwrap().validate(&json!(value)).unwrap();
    }
}

#[test]
fn rules_for_grammars_are_those_that_their_readers_know() {
    let field = |dialect, rule: Value| {
        let schema = json!({ "type": "object", "properties": { "a": rule }, "required": ["a"] });
        encode(&schema, dialect).unwrap()["properties"]["a"].clone()
    };
    for (rule, kept) in [
        (json!({ "type": "string", "pattern": "^[a-z^$]+$" }), true),
        (json!({ "type": "string", "pattern": "[a-z]+" }), false),
        (json!({ "type": "string", "pattern": "^\\d+$" }), false),
        (json!({ "type": "string", "pattern": "^(?i)a$" }), false),
        (json!({ "type": "string", "format": "date-time" }), true),
        (json!({ "type": "string", "format": "email" }), false),
        (json!({ "type": "string", "maxLength": 1000 }), true),
        (json!({ "type": "string", "maxLength": 1001 }), false),
        (json!({ "type": "integer", "minimum": 1 }), true),
        (json!({ "type": "integer", "maximum": u64::MAX }), false),
        (json!({ "type": "integer", "minimum": 0.5 }), false),
        (json!({ "type": "number", "minimum": 1 }), false),
        (json!({ "type": "integer", "multipleOf": 2 }), false),
    ] {
        let written = field(&LLAMA_CPP, rule.clone());
        assert_eq!(written == rule, kept, "{written}");
        assert_eq!(written["description"].is_string(), !kept, "{written}");
        assert_eq!(field(&STANDARD, rule.clone()), rule);
    }
    // A form or a length, not both.
    let both = field(&XGRAMMAR, json!({ "type": "string", "pattern": "^a+$", "maxLength": 3 }));
    assert_eq!(both, json!({ "description": "at most 3 characters", "type": "string", "pattern": "^a+$" }));
}

#[test]
fn what_a_dialect_cannot_express_is_refused_with_its_place() {
    for (refusal, place) in [
        (written::<FlattenedMap>(&OPENAI), "`FlattenedMap`"),
        (written::<Generic<Vec<Value>>>(&OPENAI), ".inner[]`"),
        (written::<BTreeMap<String, u8>>(&PLAIN), "`field`"),
    ] {
        let refusal = refusal.unwrap_err();
        assert!(!refusal.is_limit && refusal.to_string().contains(place), "{refusal}");
    }
}

#[test]
fn hostile_schemas_are_refused_and_never_hang() {
    let object = |field: Value| {
        json!({ "type": "object", "properties": { "a": field }, "$defs": {
        "Loop": { "$ref": "#/$defs/Loop" },
        "Twice": { "allOf": [{ "$ref": "#/$defs/Twice" }, { "$ref": "#/$defs/Twice" }] },
        "Tagged": { "oneOf": [
            { "$ref": "#/$defs/Tagged", "properties": { "b": {} } },
            { "$ref": "#/$defs/Tagged", "properties": { "c": {} } },
            { "type": "object", "properties": { "d": {} } },
        ] },
    } })
    };
    for field in [
        json!({ "$ref": "#/$defs/Loop" }),
        json!({ "$ref": "#/$defs/Twice" }),
        json!({ "$ref": "#/$defs/Tagged" }),
        json!({ "$ref": "#/$defs/Absent" }),
        json!({ "$ref": "https://example.org/schema" }),
        json!({ "$ref": "#/$defs/Loop", "minimum": 1 }),
        json!({ "type": "something" }),
        json!({ "type": 5 , "enum": [] }),
        json!({ "allOf": [{ "type": "string" }, { "type": "object" }] }),
        json!({ "anyOf": [] }),
        json!({ "anyOf": [false] }),
        json!(5),
    ] {
        let schema = object(field.clone());
        assert!(encode(&schema, &STANDARD).is_err(), "{field}");
    }
    for root in [json!(true), json!([]), json!("x"), json!({ "type": "string" }), json!({ "$ref": "#" })] {
        assert!(encode(&root, &STANDARD).is_err(), "{root}");
    }
    let deep =
        (0..200).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "array", "items": inner }));
    let _ = encode(&object(deep), &OPENAI);
}

#[test]
fn an_error_of_size_names_the_largest_part_what_was_found_and_the_limit() {
    let refused = |field: Value| {
        let schema =
            json!({ "type": "object", "properties": { "small": { "type": "string" }, "large": field } });
        let refusal = encode(&schema, &OPENAI).unwrap_err();
        assert!(refusal.is_limit && encode(&schema, &OPENAI_LOOSE).is_ok(), "{refusal}");
        refusal.to_string()
    };
    let names =
        |count: usize, length: usize| -> Vec<_> { (0..count).map(|i| format!("{i:0length$}")).collect() };
    let of = |names: Vec<String>| -> Map<String, Value> {
        names.into_iter().map(|name| (name, json!({ "type": "string" }))).collect()
    };
    for (field, words) in [
        (json!({ "type": "string", "enum": names(1_001, 4) }), ["1001 enum values", "at most 1000"]),
        (json!({ "type": "string", "enum": names(251, 60) }), ["15060 characters", "at most 15000"]),
        (json!({ "type": "object", "properties": of(names(5_000, 4)) }), ["5002 properties", "at most 5000"]),
        (json!({ "type": "object", "properties": of(names(100, 1_201)) }), ["120", "at most 120000"]),
    ] {
        let message = refused(field);
        assert!(message.contains("`large`") && words.iter().all(|word| message.contains(word)), "{message}");
    }
    let deep =
        (0..10).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "array", "items": inner }));
    let message = refused(deep);
    assert!(message.contains("`large[]") && message.contains("at most 10"), "{message}");
}

#[test]
fn a_schema_is_written_once_for_each_dialect() {
    let schema = AnswerSchema::new(answer::<(u8, Level)>(""));
    let first = schema.clone().written(&OPENAI).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &schema.written(&OPENAI).unwrap()));
    assert_ne!(*first, *schema.written(&LLAMA_CPP).unwrap());
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// A schema, or something else in the place of one.
    fn schema(&mut self, depth: u64) -> Value {
        let mut map = Map::new();
        for _ in 0..self.roll(5) {
            let inner = |dice: &mut Self| if depth == 0 { json!(true) } else { dice.schema(depth - 1) };
            let list = |dice: &mut Self| (0..dice.roll(4)).map(|_| inner(dice)).collect::<Vec<_>>();
            let kinds = ["string", "integer", "number", "boolean", "null", "array", "object"];
            let kind = kinds[self.roll(7) as usize];
            let (keyword, value) = match self.roll(20) {
                0 => ("type", json!(kind)),
                1 => ("type", json!([kind, "null"])),
                2 => ("type", json!([kind, "string", "array"])),
                3 => ("$ref", json!(["#/$defs/A", "#/$defs/B", "#", "#/nowhere"].get(self.roll(4) as usize))),
                4 => ("anyOf", json!(list(self))),
                5 => ("oneOf", json!(list(self))),
                6 => ("allOf", json!(list(self))),
                7 => ("enum", json!([kind, 1, null, [1]])),
                8 => {
                    ("const", [json!(null), json!(1.5), json!("x"), json!({})][self.roll(4) as usize].clone())
                }
                9 | 10 => ("properties", json!({ "a": inner(self), "type": inner(self) })),
                11 => ("required", json!(["a", "absent"])),
                12 => ("additionalProperties", inner(self)),
                13 => ("items", inner(self)),
                14 => ("prefixItems", json!(list(self))),
                15 => ("minItems", json!(self.roll(3))),
                16 => ("pattern", json!("^[a")),
                17 => ("minimum", json!(-0.5)),
                18 => ("description", json!("words")),
                _ => ("default", json!(5)),
            };
            map.insert(keyword.into(), value);
        }
        match self.roll(12) {
            0 => Value::Bool(self.roll(2) == 0),
            _ => Value::Object(map),
        }
    }
}

#[test]
fn a_converted_schema_obeys_its_dialect_whatever_the_schema() {
    let mut dice = Dice(7);
    let mut count = 0;
    for _ in 0..800 {
        let schema = json!({
            "type": "object",
            "properties": { "a": dice.schema(3), "b": dice.schema(3) },
            "$defs": { "A": dice.schema(2), "B": dice.schema(2) },
        });
        for dialect in ALL {
            if let Ok(written) = encode(&schema, dialect) {
                well_formed(&written, dialect);
                count += 1;
            }
        }
    }
    assert!(count > 800, "{count}");
}
