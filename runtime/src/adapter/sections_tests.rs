use crate::{Predict, signature};

/// Answer.
#[signature]
struct Both {
    #[input]
    question: String,
    #[output]
    reasoning: String,
    #[output]
    answer: String,
}

/// Answer.
#[signature]
struct AnswerAlone {
    #[input]
    question: String,
    #[output]
    reasoning: Option<String>,
    #[output]
    answer: String,
}

fn both(text: &str) -> Option<(String, String)> {
    let output = Predict::<Both>::new().parse(&BothInput { question: "?".into() }, text).ok()?;
    Some((output.reasoning, output.answer))
}

fn pair(reasoning: &str, answer: &str) -> Option<(String, String)> {
    Some((reasoning.into(), answer.into()))
}

#[test]
fn an_end_marker_on_a_values_last_line_ends_it_and_no_other_mention_does() {
    for (text, expected) in [
        (
            "[[ ## reasoning ## ]]\nfoo\n[[ ## answer ## ]]\nbar [[ ## completed ## ]]\n[[ ## completed ## ]]",
            pair("foo", "bar"),
        ),
        (
            "[[ ## reasoning ## ]]\nfoo\n[[ ## answer ## ]]\nsee [[ ## reasoning ## ]]\n[[ ## completed ## ]]",
            pair("foo", "see [[ ## reasoning ## ]]"),
        ),
        (
            "[[ ## reasoning ## ]]\nthe [[ ## question ## ]] asks\n[[ ## answer ## ]]\nbar",
            pair("the [[ ## question ## ]] asks", "bar"),
        ),
        (
            "[[ ## reasoning ## ]]\na [[ ## completed ## ]] b\n[[ ## answer ## ]]\nbar",
            pair("a [[ ## completed ## ]] b", "bar"),
        ),
        ("I'll write [[ ## reasoning ## ]] and [[ ## answer ## ]], then [[ ## completed ## ]] too.", None),
        ("I see [[ ## answer ## ]] x\n[[ ## reasoning ## ]] foo [[ ## answer ## ]] bar", pair("foo", "bar")),
    ] {
        assert_eq!(both(text), expected, "{text}");
    }
}

#[test]
fn a_fields_markers_in_the_best_position_count_whatever_their_order() {
    for (text, expected) in [
        (
            "- [[ ## reasoning ## ]]: foo\n- [[ ## answer ## ]]: what\n[[ ## answer ## ]]\nbar",
            pair("foo\n- [[ ## answer ## ]]: what", "bar"),
        ),
        (
            "- [[ ## reasoning ## ]]: foo\n[[ ## answer ## ]]\nbar\n- [[ ## answer ## ]]: more",
            pair("foo", "bar\n- [[ ## answer ## ]]: more"),
        ),
    ] {
        assert_eq!(both(text), expected, "{text}");
    }
}

#[test]
fn the_sign_of_a_quotation_is_removed_only_if_the_marker_is_quoted_too() {
    let quotation = "- [[ ## reasoning ## ]]: foo\n- [[ ## answer ## ]]:\n> a\n> b";
    assert_eq!(both(quotation), pair("foo", "> a\n> b"));
    let quoted = "> [[ ## reasoning ## ]]\n> foo\n> [[ ## answer ## ]]\n> a\n> b";
    assert_eq!(both(quoted), pair("foo", "a\nb"));
}

#[test]
fn an_optional_field_that_is_only_mentioned_is_not_given() {
    let text = "[[ ## answer ## ]] Paris, no [[ ## reasoning ## ]] needed";
    let read = Predict::<AnswerAlone>::new().parse(&AnswerAloneInput { question: "?".into() }, text).unwrap();
    assert_eq!((read.reasoning, &*read.answer), (None, "Paris, no [[ ## reasoning ## ]] needed"));
}

#[test]
fn null_is_an_absent_text_where_the_text_is_optional() {
    let read = |text: &str| {
        let input = AnswerAloneInput { question: "?".into() };
        let text = format!("[[ ## reasoning ## ]]\n{text}\n[[ ## answer ## ]]\nParis");
        Predict::<AnswerAlone>::new().parse(&input, &text).unwrap().reasoning
    };
    assert_eq!((read("null"), read("so").as_deref()), (None, Some("so")));
}
