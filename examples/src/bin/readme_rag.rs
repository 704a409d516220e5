use std::sync::Arc;

use karat::{
    BestOfN, ChainOfThought, Lm, Module, Predict, Prediction, Reasoned, Refine, Result, module, reward,
    signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write a search query that finds facts for the question.
#[signature]
pub struct MakeQuery {
    #[input]
    question: String,
    #[output]
    query: String,
}

/// Answer the question from the passages.
#[signature]
#[derive(PartialEq)]
pub struct Answer {
    /// passages that may hold the facts
    #[input]
    passages: Vec<String>,
    #[input]
    question: String,
    /// one to five words
    #[output]
    answer: String,
    #[output]
    certainty: Certainty,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Certainty {
    Low,
    Medium,
    High,
}

#[module]
pub struct Rag {
    query: ChainOfThought<MakeQuery>,
    answer: ChainOfThought<Answer>,
    backups: Vec<Predict<Answer>>,
    #[module(skip)]
    index: Arc<Index>,
}

#[module]
impl Rag {
    async fn forward(&self, input: QuestionInput) -> Result<Prediction<Reasoned<AnswerOutput>>> {
        let query = self.query.call(MakeQueryInput { question: input.question.clone() }).await?;
        let passages = self.index.search(&query.query);
        self.answer.call(AnswerInput { passages, question: input.question }).await
    }
}

#[derive(Clone, Debug)]
pub struct QuestionInput {
    question: String,
}

#[reward]
fn short(_: &QuestionInput, answer: &Prediction<Reasoned<AnswerOutput>>) -> (f64, String) {
    let words = answer.answer.split_whitespace().count();
    (1.0 / words.max(1) as f64, format!("{words} words, one is best"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut rag = Rag {
        query: ChainOfThought::new(),
        answer: ChainOfThought::new(),
        backups: vec![],
        index: Arc::new(Index),
    };
    rag.set_lm(&Lm::from_env()?);

    let best = BestOfN::new(rag.clone(), 5, |input, p| p.answer.len() < input.question.len())
        .threshold(1.0)
        .concurrency(5);
    let question = QuestionInput { question: "What is the capital of France?".into() };
    let best = best.call(question.clone()).await?;
    println!("{} because {}", best.answer, best.reasoning);
    for rollout in best.rollouts() {
        println!("{rollout}");
    }

    let refined = Refine::new(rag, 3, short).threshold(1.0).call(question).await?;
    println!("{:?}: {}", refined.certainty, refined.usage());
    Ok(())
}

#[derive(Debug)]
pub struct Index;

impl Index {
    fn search(&self, _query: &str) -> Vec<String> {
        vec!["Paris is the capital of France.".into()]
    }
}
