//! A number, a yes or no, a number with feedback, a score, a result of one; early returns, `?`, generics, recursion.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{BestOfN, Predict, Prediction, Score, Signature, field::Fields, reward};

/// Answer the question.
#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// A number.
#[reward]
pub(crate) fn number(input: &QaInput, prediction: &Prediction<QaOutput>) -> f64 {
    if input.question.is_empty() {
        return 0.0;
    }
    prediction.answer.len() as f64
}

#[reward]
fn yes(_: &QaInput, QaOutput { answer }: &QaOutput) -> bool {
    answer == "yes"
}

#[reward]
fn with_feedback(_: &QaInput, prediction: &Prediction<QaOutput>) -> (f64, String) {
    (0.5, format!("{} is long", prediction.answer))
}

#[reward]
fn score(_: &QaInput, _: &Prediction<QaOutput>) -> Score {
    Score::new(1.0)
}

#[reward]
fn fallible(_: &QaInput, prediction: &Prediction<QaOutput>) -> Result<f64, std::num::ParseFloatError> {
    let value: f64 = prediction.answer.parse()?;
    Ok(value)
}

#[reward]
fn opaque(_: &QaInput, _: &Prediction<QaOutput>) -> impl karat::author::IntoScore + use<> {
    1.0
}

#[reward]
fn generic<I, O: Fields, const N: usize>(_: &I, prediction: &Prediction<O>) -> f64
where
    I: Sync,
{
    format!("{prediction:?}").len() as f64 + N as f64
}

#[reward]
fn named<'a>(input: &'a QaInput, _: &Prediction<QaOutput>) -> f64 {
    let longest: &'a str = &input.question;
    longest.len() as f64
}

#[reward]
fn recursive(input: &QaInput, prediction: &Prediction<QaOutput>) -> f64 {
    match input.question.strip_prefix('a') {
        Some(rest) => 1.0 + recursive(&QaInput { question: rest.into() }, prediction),
        None => 0.0,
    }
}

fn main() {
    let qa = Predict::<Qa>::new;
    drop(BestOfN::new(qa(), 2, number));
    drop(BestOfN::new(qa(), 2, with_feedback));
    drop(BestOfN::new(qa(), 2, score));
    drop(BestOfN::new(qa(), 2, fallible));
    drop(BestOfN::new(qa(), 2, opaque));
    drop(BestOfN::new(qa(), 2, generic::<_, _, 3>));
    drop(BestOfN::new(qa(), 2, named));
    let (input, output) = Qa { question: "aab".into(), answer: "yes".into() }.split();
    assert!(*yes(&input, &output));
    assert_eq!(*recursive(&input, &Prediction::new(output)), 2.0);
}
