//! Measures traversing a module, copying it, and dumping its state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use karat::{ChainOfThought, Module, Predict, Prediction, Result, module, signature};

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

#[module]
struct Program {
    steps: Vec<Predict<Qa>>,
    thoughts: Vec<ChainOfThought<Qa>>,
}

#[module]
impl Program {
    async fn forward(&self, question: QaInput) -> Result<Prediction<QaOutput>> {
        Ok(Prediction::new(QaOutput { answer: question.question }))
    }
}

/// Builds a program of `predictors`, half of them in chains of thought, each with `demos` of 2 KB.
fn program(predictors: usize, demos: usize) -> Program {
    let demo = Qa { question: "q".repeat(1_000), answer: "a".repeat(1_000) };
    let demos = vec![demo; demos];
    Program {
        steps: (0..predictors / 2).map(|_| Predict::new().demos(demos.clone())).collect(),
        thoughts: (0..predictors / 2).map(|_| ChainOfThought::new().demos(demos.clone())).collect(),
    }
}

fn modules(c: &mut Criterion) {
    let hundred = program(100, 0);
    c.bench_function("named_predictors/100 predictors", |b| {
        b.iter(|| black_box(&hundred).named_predictors())
    });
    let mut changed = program(100, 0);
    c.bench_function("named_predictors_mut/100 predictors", |b| {
        b.iter(|| black_box(&mut changed).named_predictors_mut().len())
    });
    // The floor: the hundred paths alone.
    c.bench_function("floor: 100 paths", |b| {
        b.iter(|| (0..100).map(|index| black_box(format!("steps[{index}]"))).collect::<Vec<_>>())
    });
    let ten = program(10, 50);
    c.bench_function("deepcopy/10 predictors, 50 demos of 2 KB", |b| b.iter(|| black_box(&ten).deepcopy()));
    c.bench_function("dump_state/10 predictors, 50 demos of 2 KB", |b| {
        b.iter(|| black_box(&ten).dump_state())
    });
}

criterion_group!(benches, modules);
criterion_main!(benches);
