//! The modules that come with karat. They use the public API alone, but for `clashes`: whatever they do, a module of your own can do;
//! the test `authors` builds these files outside of karat.

mod advice;
mod best_of_n;
mod budgeted;
mod chain_of_thought;
mod clashes;
mod majority;
mod multi_chain_comparison;
mod refine;
mod rollouts;
mod wrapper;

pub use self::{
    best_of_n::BestOfN,
    budgeted::Budgeted,
    chain_of_thought::{ChainOfThought, Reasoned},
    majority::{majority, normalize},
    multi_chain_comparison::{Comparison, MultiChainComparison},
    refine::{Critic, Refine},
};
