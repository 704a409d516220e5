//! A model that knows nothing is still held to the schema of every form of type.

use std::collections::{BTreeMap, BTreeSet};

use karat::{JsonAdapter, Module, OnParseError, Predict, Result, Signature, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lm;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Color {
    Red,
    /// as the sky
    Blue,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Animal {
    /// in lower case
    name: String,
    color: Color,
    legs: Option<u8>,
    #[serde(default)]
    wild: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Tree {
    #[schemars(length(max = 8))]
    name: String,
    #[schemars(length(max = 1))]
    branches: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Shape {
    Point,
    Circle {
        #[schemars(range(min = 1, max = 9))]
        radius: u8,
    },
    Beast(Animal),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Any {
    Number(u8),
    Both(u8, Color),
    Named { color: Color },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Whole {
    #[serde(flatten)]
    shape: Shape,
    #[schemars(regex(pattern = "^[a-c]{1,3}-[0-9]$"))]
    code: String,
    #[schemars(length(max = 2))]
    set: BTreeSet<u8>,
}

/// Tell something of the word.
#[signature]
struct One {
    #[input]
    word: String,
    /// its color
    #[output]
    color: Color,
    #[output]
    animal: Animal,
    #[output]
    perhaps: Option<Color>,
    #[output]
    pair: (u8, Color),
}

/// Tell something of the word.
#[signature]
struct Two {
    #[input]
    word: String,
    #[output]
    tree: Tree,
    #[output]
    shape: Shape,
    #[output]
    any: Any,
    #[output]
    whole: Whole,
}

/// Tell something of the word.
#[signature]
struct Three {
    #[input]
    word: String,
    #[output]
    colors: BTreeMap<String, Color>,
    #[output]
    value: Value,
}

/// True if the model came to an end, which a small one does not always find; any other failure would be the schema's.
async fn ask<S: Signature>(input: S::Input) -> Result<bool>
where
    S::Output: std::fmt::Debug,
{
    let lm = lm()?.max_tokens(300);
    let ask = Predict::<S>::new().adapter(JsonAdapter).on_parse_error(OnParseError::Fail).lm(&lm);
    match ask.call(input).await {
        Ok(answer) => {
            let call = &answer.trace().steps()[0].calls()[0];
            assert!(answer.mode() == Some("json_schema") && call.is_strict());
            println!("{:?}", answer.into_inner());
            Ok(true)
        }
        Err(error) if error.is_truncated() => Ok(false),
        Err(error) => Err(error),
    }
}

pub async fn every_form_of_type_is_held_to_its_schema() -> Result<()> {
    let word = || "fox".to_owned();
    assert!(ask::<One>(OneInput { word: word() }).await?);
    assert!(ask::<Two>(TwoInput { word: word() }).await?);
    // Maps and values of any kind have no end that a grammar could set.
    ask::<Three>(ThreeInput { word: word() }).await?;
    Ok(())
}
