//! Modules over modules and over signatures, with bounds, where clauses, constants and defaults.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use std::{fmt::Debug, marker::PhantomData};

use karat::{Module, Predict, Prediction, Result, Signature};

/// Answer the question.
#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[karat::module]
struct Twice<M: Module> {
    first: M,
    rest: Vec<M>,
}

#[karat::module]
impl<M: Module> Twice<M>
where
    M::Input: Debug,
{
    async fn forward(&self, input: M::Input) -> Result<Prediction<M::Output>> {
        drop(self.first.call(input.clone()).await?);
        match self.rest.first() {
            Some(module) => module.call(input).await,
            None => self.first.call(input).await,
        }
    }
}

#[karat::module]
struct Ask<S, const N: usize = 2>
where
    S: Signature,
{
    predictors: [Predict<S>; N],
}

#[karat::module]
impl<S: Signature, const N: usize> Ask<S, N> {
    async fn forward(&self, input: S::Input) -> Result<Prediction<S::Output>> {
        self.predictors[0].call(input).await
    }
}

#[karat::module]
struct Tagged<T: Clone + Send + Sync + Debug + 'static> {
    qa: Predict<Qa>,
    #[module(skip)]
    tag: PhantomData<fn() -> T>,
}

#[karat::module]
impl<T: Clone + Send + Sync + Debug + 'static> Tagged<T> {
    async fn forward(&self, (question, tag): (String, T)) -> Result<Prediction<QaOutput>> {
        self.qa.call(QaInput { question: format!("{question}{tag:?}") }).await
    }
}

fn main() {
    let twice = Twice { first: Predict::<Qa>::new(), rest: vec![Predict::new()] };
    assert_eq!(twice.named_predictors().len(), 2);
    let ask = Ask::<Qa> { predictors: [Predict::new(), Predict::new()] };
    assert_eq!(ask.named_predictors()[1].0, "predictors[1]");
    let tagged = Tagged::<u8> { qa: Predict::new(), tag: PhantomData };
    drop(tagged.call((String::new(), 1)));
}
