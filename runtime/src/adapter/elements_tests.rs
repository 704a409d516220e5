use serde_json::json;

use super::*;

fn read(text: &str, schema: &Value) -> Result<Value, String> {
    value(text, schema).map(|read| read.value)
}

#[test]
fn elements_are_read_only_where_a_value_may_have_parts() {
    let (text, open) = (json!({"type": "string"}), json!({}));
    let typed = json!({"properties": {"a": {"type": "string"}}});
    assert_eq!(read("<b>x</b>", &text), Ok(json!("<b>x</b>")));
    assert_eq!(read("<b>x</b>", &open), Ok(json!({"b": "x"})));
    assert_eq!(read("<item>x</item>", &open), Ok(json!(["x"])));
    assert_eq!(read("<a>x</a>", &typed), Ok(json!({"a": "x"})));
}

#[test]
fn elements_with_text_around_them_are_a_text_where_the_type_takes_one() {
    let mixed = "<b>bold</b> text";
    assert_eq!(read(mixed, &json!({})), Ok(json!(mixed)));
    assert_eq!(read(mixed, &json!({"type": ["string", "object"]})), Ok(json!(mixed)));
    assert!(read(mixed, &json!({"type": "object"})).unwrap_err().contains("text stands behind"));
}

#[test]
fn an_empty_element_is_null_or_the_empty_value_of_its_type() {
    for (kind, empty) in [
        (json!("array"), json!([])),
        (json!("object"), json!({})),
        (json!(["null", "integer"]), json!(null)),
        (json!(["null", "string"]), json!(null)),
        (json!(["null", "array"]), json!(null)),
        (json!("string"), json!("")),
        (json!("integer"), json!("")),
    ] {
        assert_eq!(read(" ", &json!({"type": kind})), Ok(empty), "{kind}");
    }
}

#[test]
fn a_maps_values_have_the_schema_of_its_values() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let map = json!({"type": "object", "additionalProperties": list});
    let expected = Ok(json!({"a": ["1"], "b": ["2"]}));
    assert_eq!(read("<entry key=\"a\"><x>1</x></entry><b><x>2</x></b>", &map), expected);
}

#[test]
fn a_property_in_another_form_is_noted_unless_no_tag_can_spell_it() {
    let schema = json!({"properties": {"a": {}, "firstName": {}, "last name": {}}});
    for (text, noted) in [
        ("<a>x</a>", false),
        ("<last_name>x</last_name>", false),
        ("<first_name>x</first_name>", true),
        ("<A>x</A>", true),
    ] {
        assert_eq!(value(text, &schema).unwrap().repairs.contains(Repair::Name), noted, "{text}");
    }
}

#[test]
fn elements_are_read_down_to_the_limit_of_nesting() {
    let nested = |levels: usize| format!("{}x{}", "<item>".repeat(levels), "</item>".repeat(levels));
    assert!(read(&nested(DEPTH), &json!({})).is_ok_and(|value| value.is_array()));
    assert_eq!(read(&nested(DEPTH + 1), &json!({})), Err(TOO_DEEP.to_owned()));
}
