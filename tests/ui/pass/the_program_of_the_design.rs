//! Signatures, a module of modules, a reward: no lint is raised, dead code included.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]

use std::sync::Arc;

use karat::{BestOfN, ChainOfThought, Module, Predict, Prediction, Reasoned, Result, module, reward, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write a search query for the question.
#[signature]
struct MakeQuery {
    #[input]
    question: String,
    #[output]
    query: String,
}

/// Answer the question from the passages.
#[signature]
#[derive(PartialEq)]
struct Answer {
    /// passages that may hold the facts
    #[input]
    passages: Vec<String>,
    #[input]
    question: String,
    /// one to five words
    #[output(alias = ["reply", "response"])]
    answer: String,
    #[output(desc = "how sure")]
    certainty: Certainty,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Certainty {
    Low,
    High,
}

struct Index;

impl Index {
    fn search(&self, query: &str) -> Vec<String> {
        vec![query.to_owned()]
    }
}

#[module]
struct Rag {
    query: ChainOfThought<MakeQuery>,
    answer: ChainOfThought<Answer>,
    backups: Vec<Predict<Answer>>,
    #[module(skip)]
    index: Arc<Index>,
}

#[module]
impl Rag {
    async fn forward(&self, question: String) -> Result<Prediction<Reasoned<AnswerOutput>>> {
        let query = self.query.call(MakeQueryInput { question: question.clone() }).await?;
        let passages = self.index.search(&query.query);
        self.answer.call(AnswerInput { passages, question }).await
    }
}

#[reward]
fn concise(question: &String, prediction: &Prediction<Reasoned<AnswerOutput>>) -> f64 {
    if prediction.certainty == Certainty::Low {
        return 0.0;
    }
    question.len() as f64 - prediction.answer.len() as f64
}

fn main() {
    let rag = Rag {
        query: ChainOfThought::new(),
        answer: ChainOfThought::new(),
        backups: vec![Predict::new()],
        index: Arc::new(Index),
    };
    assert_eq!(rag.named_predictors().len(), 3);
    assert!(rag.source().is_some_and(|source| source.starts_with("impl Rag {\n    async fn forward")));
    drop(BestOfN::new(rag, 3, concise));
}
