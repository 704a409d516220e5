//! Runs: the tracer of one, and the one engine that runs many, behind batches and rollouts.

mod caught;
mod deadline;
mod many;
mod tracer;

pub use self::tracer::Tracer;
pub(crate) use self::{
    caught::caught,
    deadline::Deadline,
    many::{Next, Why, run_many},
};
