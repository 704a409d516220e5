use serde_json::json;

use super::{choice::only, *};

/// Reads a text by a schema, as a field of this type would.
fn read(text: &str, schema: &Value) -> Result<Value, Misfit> {
    let target = Target::new(schema);
    // A text is a text, whatever it looks like.
    if target.coerce(&"".into()).is_ok_and(|fit| fit.value == "") {
        return Ok(Value::String(text.trim().into()));
    }
    let found = json::find(text).unwrap_or_default();
    let mut fits: Vec<_> = found
        .iter()
        .filter(|found| !found.is_truncated())
        .filter_map(|found| target.coerce(&found.value).ok())
        .collect();
    if fits.is_empty() {
        fits.extend(target.coerce(&Value::String(text.trim().into())));
    }
    only(fits.into_iter()).map(|fit| fit.value).ok_or_else(|| Misfit::from("no value or several"))
}

/// Fills absent properties with the schema's defaults.
fn with_defaults(mut value: Value, schema: &Value, root: &Value) -> Value {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    if let (Some(object), Some(properties)) = (value.as_object_mut(), schema["properties"].as_object()) {
        for (name, schema) in properties {
            let absent = schema.get("default").cloned().unwrap_or(Value::Null);
            let value = object.remove(name).unwrap_or(absent);
            object.insert(name.clone(), with_defaults(value, schema, root));
        }
    }
    value
}

#[test]
fn the_corpora_of_shapes_are_read_as_their_rows_expect() {
    let Some(files) = crate::repository::corpora(["baml", "dspy", "instructor", "json_repair"]) else {
        return;
    };
    let rows =
        files.into_iter().flat_map(str::lines).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut wrong = Vec::new();
    let mut counts = std::collections::BTreeMap::new();
    for row in rows.filter(|row| row["kind"] == "coerce") {
        *counts.entry(row["verdict"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        let (text, schema, note) =
            (row["text"].as_str().unwrap(), &row["schema"], row["note"].as_str().unwrap_or(""));
        let found = read(text, schema);
        let expected = with_defaults(row["expect"].clone(), schema, schema);
        let is_right = match (row["verdict"].as_str().unwrap(), &found) {
            ("accept", Ok(value)) => {
                let value = with_defaults(value.clone(), schema, schema);
                json::tests_same(&value, &expected) || value.as_str() == expected.as_str().map(str::trim)
            }
            ("accept", Err(_)) => note.starts_with("cut"),
            ("reject", Ok(_)) => note.starts_with("depends on"),
            _ => true,
        };
        if !is_right {
            wrong.push(format!("{} {text:?} by {schema}: {found:?}, expected {expected}", row["id"]));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n\n"));
    let expected = [("accept", 81), ("no_panic", 52), ("reject", 13)];
    assert!(counts.iter().map(|(verdict, count)| (&**verdict, *count)).eq(expected), "{counts:?}");
}

#[test]
fn a_conversion_that_would_lose_or_invent_something_is_an_error() {
    for (value, schema) in [
        (json!("8/10"), json!({"type": "integer"})),
        (json!(2.5), json!({"type": "integer"})),
        (json!("2.5"), json!({"type": "integer"})),
        (json!(1e300), json!({"type": "integer"})),
        (json!(9_007_199_254_740_993_u64), json!({"type": "number"})),
        (json!("1,23"), json!({"type": "number"})),
        (json!("50%"), json!({"type": "number"})),
        (json!("NaN"), json!({"type": "number"})),
        (json!("maybe"), json!({"type": "boolean"})),
        (json!(1), json!({"type": "boolean"})),
        (json!(null), json!({"type": "string"})),
        (json!({"a": 5}), json!({"type": "string"})),
        (json!("not RED"), json!({"enum": ["RED", "BLUE"]})),
        (json!("a b"), json!({"enum": ["A_B", "ab"]})),
        (json!({"a": 1}), json!({"type": "object", "properties": {"b": {}}, "required": ["b"]})),
        (json!({"A": 1, "a.": 2}), json!({"type": "object", "properties": {"a": {}}})),
        (json!("x"), json!({"type": "array", "items": {"type": "integer"}})),
    ] {
        assert!(Target::new(&schema).coerce(&value).is_err(), "{value} by {schema}");
    }
}

#[test]
fn the_same_value_in_other_words_fits_and_is_noted() {
    for (value, schema, expected, repair) in [
        (json!("5"), json!({"type": "integer"}), json!(5), Repair::NumberInText),
        (json!("1,234,567"), json!({"type": "integer"}), json!(1_234_567), Repair::NumberInText),
        (json!(5.0), json!({"type": "integer"}), json!(5), Repair::Number),
        (json!("Yes"), json!({"type": "boolean"}), json!(true), Repair::Word),
        (json!("None"), json!({"type": ["integer", "null"]}), json!(null), Repair::Word),
        (json!("a"), json!({"type": "array", "items": {"type": "string"}}), json!(["a"]), Repair::ListOfOne),
        (json!("very high"), json!({"enum": ["VeryHigh", "Low"]}), json!("VeryHigh"), Repair::Name),
        (
            json!("[1, 2]"),
            json!({"type": "array", "items": {"type": "integer"}}),
            json!([1, 2]),
            Repair::JsonInText,
        ),
    ] {
        let fit = Target::new(&schema)
            .coerce(&value)
            .unwrap_or_else(|misfit| panic!("{value}: {}", misfit.message));
        assert_eq!(fit.value, expected);
        assert!(fit.repairs.contains(repair), "{value}: {:?}", fit.repairs);
    }
}

#[test]
fn a_value_that_is_taken_unchanged_is_what_coercion_returns() {
    let mut taken = 0;
    let Some(files) = crate::repository::corpora(["baml", "dspy", "instructor", "json_repair"]) else {
        return;
    };
    for file in files {
        let rows: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let schemas = rows.iter().map(|row| &row["schema"]).filter(|schema| !schema.is_null());
        // Every value by every schema.
        for target in schemas.map(Target::new) {
            for value in rows.iter().map(|row| &row["expect"]).filter(|value| target.takes(value)) {
                taken += 1;
                assert_eq!(
                    target.coerce(value),
                    Ok(Fit::exact(value.clone())),
                    "{value} by {}",
                    target.schema
                );
            }
        }
    }
    assert!(taken > 100, "{taken}");
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let schema = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
    assert!(Target::new(&schema).coerce(&json!(1)).is_err());
    assert!(!Target::new(&schema).takes(&json!(1)));
}

#[test]
fn null_for_an_optional_key_is_left_out_and_stays_where_the_type_takes_null() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": { "type": "integer" },
            "b": { "type": ["integer", "null"] },
            "c": { "$ref": "#/$defs/Tag", "type": "object", "properties": { "kind": { "const": "x" } } },
        },
        "required": ["b"],
        "$defs": { "Tag": { "type": "object", "properties": { "d": { "type": "array", "items": {} } } } },
    });
    let value = json!({ "a": null, "b": null, "c": { "kind": "x", "d": null } });
    let fit = Target::new(&schema).coerce(&value).unwrap();
    assert_eq!((fit.value, fit.cost), (json!({ "b": null, "c": { "kind": "x" } }), 0));
    let needed = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    assert!(Target::new(&needed).coerce(&json!({ "a": null })).is_err());
}

#[test]
fn an_enums_tag_selects_the_variant_also_where_variants_are_own_types() {
    let form = |name: &str| json!({ "$ref": format!("#/$defs/{name}"), "properties": { "kind": { "const": name } } });
    let schema = json!({
        "type": "object",
        "properties": { "id": { "type": "integer" } },
        "required": ["id"],
        "oneOf": [form("A"), form("B")],
        "$defs": {
            "A": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] },
            "B": { "type": "object", "properties": { "n": { "type": "string" } }, "required": ["n"] },
        },
    });
    let read = |value: Value| Target::new(&schema).coerce(&value).map(|fit| fit.value).ok();
    let a = json!({ "id": 1, "kind": "A", "n": 5 });
    assert_eq!(read(json!({ "id": "1", "kind": "A", "n": "5" })), Some(a));
    let b = json!({ "id": 1, "kind": "B", "n": "5" });
    assert_eq!(read(b.clone()), Some(b));
}

fn fit(schema: &Value, value: Value) -> Result<Value, String> {
    Target::new(schema).coerce(&value).map(|fit| fit.value).map_err(|misfit| misfit.message)
}

#[test]
fn a_value_that_fits_is_recognised_without_a_copy() {
    let integer = json!({"type": "integer"});
    let object = json!({"properties": {"a": {"type": "integer"}}});
    let beside = |keyword: &str| {
        let mut schema = object.clone();
        schema["$defs"] = json!({"b": {"type": "object"}});
        schema[keyword] = match keyword {
            "$ref" => json!("#/$defs/b"),
            _ => json!([{"type": "object"}]),
        };
        schema
    };
    for (schema, value, takes) in [
        (json!({}), json!(5), true),
        (integer.clone(), json!(5), true),
        (integer.clone(), json!(0.5), false),
        (integer.clone(), json!(-1), true),
        (integer.clone(), json!(u64::MAX), true),
        (json!({"type": "number"}), json!(0.5), true),
        (json!({"type": "string"}), json!("x"), true),
        (json!({"type": ["null", "boolean"]}), json!(null), true),
        (json!({"type": ["null", "boolean"]}), json!(true), true),
        (json!({"type": "array", "items": {"type": "string"}}), json!(["x"]), true),
        (json!({"type": "array", "items": {"type": "string"}}), json!([1]), false),
        (json!({"type": "object"}), json!({"b": 1}), true),
        (json!({"type": "object", "properties": {}}), json!({"b": 1}), true),
        (json!({"type": "object", "additionalProperties": integer}), json!({"b": 1}), true),
        (json!({"type": "object", "additionalProperties": integer}), json!({"b": "x"}), false),
        // The key may be a name in another form.
        (json!({"properties": {"firstName": {}}}), json!({"first_name": 1}), false),
        (json!({"$ref": "#/$defs/n", "$defs": {"n": integer}}), json!(5), true),
        (json!({"anyOf": [{"type": "null"}, integer]}), json!(5), true),
        (object.clone(), json!({"a": 5}), true),
        (object.clone(), json!({"a": "5"}), false),
        (beside("$ref"), json!({"a": "5"}), false),
        (beside("anyOf"), json!({"a": "5"}), false),
        (beside("oneOf"), json!({"a": "5"}), false),
    ] {
        assert_eq!(Target::new(&schema).takes(&value), takes, "{schema} {value}");
    }
    assert_eq!(fit(&object, json!({"a": "5"})), Ok(json!({"a": 5})));
}

#[test]
fn repairs_in_a_part_count_for_the_whole() {
    let integer = json!({"type": "integer"});
    let list = json!({"type": "array", "items": integer});
    let object = json!({"type": "object", "properties": {"n": integer}});
    let beside = json!({"properties": {"a": {"type": "string"}}, "anyOf": [object]});
    for (schema, as_it_is, mended) in [
        (&list, json!([5]), json!(["5"])),
        (&object, json!({"n": 5}), json!({"n": "5"})),
        (&beside, json!({"a": "x", "n": 5}), json!({"a": "x", "n": "5"})),
    ] {
        assert!(Target::new(schema).is_kept_by(&as_it_is), "{as_it_is}");
        assert!(!Target::new(schema).is_kept_by(&mended), "{mended}");
    }
    // Of two types, the one that needs no repair.
    let either = json!({"anyOf": [integer, {"type": "string"}]});
    assert_eq!(fit(&either, json!("5")), Ok(json!("5")));
    let lists = json!({"anyOf": [list, {"type": "array", "items": {"type": "string"}}]});
    assert_eq!(fit(&lists, json!(["5"])), Ok(json!(["5"])));
}

#[test]
fn a_misfit_names_its_place_and_a_tie_between_types_is_an_error() {
    let list = json!({"type": "array", "items": {"type": "integer"}});
    assert!(fit(&list, json!([1, "x"])).unwrap_err().starts_with("item 1: expected a whole number"));
    for no_list in ["[1", "[1] and more", "so: [1]"] {
        assert!(fit(&list, json!(no_list)).is_err(), "{no_list}");
    }
    let required = json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]});
    assert!(fit(&required, json!({"n": null})).unwrap_err().starts_with("`n`: expected a whole number"));
    let names = json!({"anyOf": [{"const": "A"}, {"const": "a"}]});
    assert!(fit(&names, json!("a.")).unwrap_err().contains("several of the possible types"));
}

#[test]
fn a_schema_that_refers_to_itself_is_followed_down_to_the_limit() {
    let lists = json!({"type": "array", "items": {"$ref": "#"}});
    let nested = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    // Each level is a list and a reference.
    assert_eq!(fit(&lists, nested(DEPTH / 2 + 1)), Ok(nested(DEPTH / 2 + 1)));
    assert!(fit(&lists, nested(DEPTH / 2 + 2)).unwrap_err().contains("nested too deeply"));
}

#[test]
fn whole_numbers_keep_their_limits_and_groups_have_three_digits() {
    let integer = json!({"type": "integer"});
    for number in [json!(u64::MAX), json!(i64::MIN), json!(-1)] {
        assert_eq!(fit(&integer, number.clone()), Ok(number));
    }
    assert_eq!(fit(&integer, json!("-12,345_678")), Ok(json!(-12_345_678)));
    for none in ["5,1e2", "1234,567", "1,00", "1,,000", ",5", "1,0000", "1e1,000"] {
        assert!(fit(&integer, json!(none)).is_err(), "{none}");
    }
}
