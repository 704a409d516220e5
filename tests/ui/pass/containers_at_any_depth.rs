//! Options, boxes, lists, arrays, tuples and maps of one another, and plain values beside them.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use std::collections::{BTreeMap, HashMap};

use karat::{Module, Predict, Prediction, Result};

/// Answer the question.
#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

type P = Predict<Qa>;

#[karat::module]
struct Rag {
    one: Option<Box<P>>,
    list: Vec<Vec<P>>,
    array: [(P, u8); 2],
    map: HashMap<String, BTreeMap<String, Vec<Option<P>>>>,
    k: usize,
    name: String,
    on: bool,
    weight: Option<f64>,
    words: Vec<String>,
}

#[karat::module]
impl Rag {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.array[0].0.call(input).await
    }
}

fn main() {
    let p = P::new;
    let map = BTreeMap::from([("b".to_owned(), vec![None, Some(p())])]);
    let rag = Rag {
        one: Some(Box::new(p())),
        list: vec![vec![p()], vec![p(), p()]],
        array: [(p(), 1), (p(), 2)],
        map: HashMap::from([("a".to_owned(), map)]),
        k: 1,
        name: String::new(),
        on: true,
        weight: None,
        words: Vec::new(),
    };
    assert_eq!(rag.named_predictors().len(), 7);
}
