//! Runs: the tracer of one, and the one engine that runs many, behind batches and rollouts.

mod caught;
mod deadline;
mod many;
mod tracer;

pub use self::{
    caught::caught,
    deadline::Deadline,
    many::{Ended, Flow, run_many},
    tracer::Tracer,
};
