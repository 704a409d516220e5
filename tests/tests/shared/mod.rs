//! Programs that several test binaries look at: two signatures, two steps, two at once.

#![allow(dead_code, reason = "each binary uses its part")]

use karat::{ChainOfThought, Predict, Prediction, Reasoned, Result, module, signature};

/// Answer the question.
#[signature]
#[derive(PartialEq)]
pub struct Qa {
    #[input]
    pub question: String,
    #[output]
    pub answer: String,
}

/// Write a search query.
#[signature]
pub struct MakeQuery {
    #[input]
    pub question: String,
    #[output]
    pub query: String,
}

/// First a query, then an answer to the query.
#[module]
pub struct TwoSteps {
    pub query: Predict<MakeQuery>,
    pub answer: ChainOfThought<Qa>,
}

#[module]
impl TwoSteps {
    async fn forward(&self, input: QaInput) -> Result<Prediction<Reasoned<QaOutput>>> {
        let query = self.query.call(MakeQueryInput { question: input.question }).await?;
        self.answer.call(QaInput { question: query.into_inner().query }).await
    }
}

impl TwoSteps {
    pub fn new() -> Self {
        Self { query: Predict::new(), answer: ChainOfThought::new() }
    }
}

/// Two predictors of one signature, asked at the same moment.
#[module]
pub struct Twins {
    pub left: Predict<Qa>,
    pub right: Predict<Qa>,
}

#[module]
impl Twins {
    async fn forward(&self, input: QaInput) -> Result<Prediction<String>> {
        let (left, right) = tokio::join!(self.left.call(input.clone()), self.right.call(input));
        Ok(Prediction::new(format!("{}{}", left?.answer, right?.answer)))
    }
}

impl Twins {
    pub fn new() -> Self {
        Self { left: Predict::new(), right: Predict::new() }
    }
}
