//! serde's names are the names in prompts, with and without serde's derives.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::Signature;
use serde::{Deserialize, Serialize};

/// Answer.
#[karat::signature]
#[serde(rename_all = "camelCase")]
struct Plain {
    #[input]
    the_question: String,
    #[output]
    #[serde(rename = "reply", default)]
    #[schemars(description = "inert")]
    the_answer: String,
}

/// Answer.
#[karat::signature]
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct WithDerives {
    #[input]
    the_question: String,
    #[output]
    #[serde(rename(serialize = "reply", deserialize = "reply"), default)]
    the_answer: String,
}

fn names<S: Signature>() -> Vec<&'static str> {
    S::spec().fields().iter().map(|field| field.name()).collect()
}

fn main() {
    assert_eq!(names::<Plain>(), ["theQuestion", "reply"]);
    assert_eq!(names::<WithDerives>(), ["THE-QUESTION", "reply"]);
    let (input, output) = WithDerives { the_question: "?".into(), the_answer: "!".into() }.split();
    assert_eq!(serde_json::to_value(input).unwrap(), serde_json::json!({ "THE-QUESTION": "?" }));
    assert_eq!(serde_json::to_value(output).unwrap(), serde_json::json!({ "reply": "!" }));
}
