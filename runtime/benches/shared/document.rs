//! The documents that benchmarks read, and their signatures.

use karat::signature;
use serde_json::{Value, json};

/// List the words.
#[signature]
pub(crate) struct List {
    #[input]
    pub(crate) text: String,
    #[output]
    pub(crate) words: Vec<String>,
}

/// Read the value.
#[signature]
pub(crate) struct Any {
    #[input]
    pub(crate) text: String,
    #[output]
    pub(crate) value: Value,
}

/// Makes a realistic document: records with texts, numbers, lists.
pub(crate) fn document(bytes: usize) -> String {
    let record = |number: usize| {
        json!({
            "id": number,
            "name": format!("Person \"{number}\" of Lima"),
            "about": "Born in a small town, she \u{e9}t\u{e9} wrote her first lines\nof code at twelve.",
            "scores": [0.5, 12.25, 1e-3, number, -7],
            "tags": ["a", "b", "long enough to be text"],
            "address": {"street": "Jir\u{f3}n de la Uni\u{f3}n", "number": 12, "geo": [-12.04, -77.03]},
            "active": true,
            "parent": null,
        })
    };
    let size = record(100).to_string().len();
    Value::Array((0..bytes.div_ceil(size)).map(record).collect()).to_string()
}
