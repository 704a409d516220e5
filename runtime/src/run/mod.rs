//! Runs many at once: the one engine behind batches and rollouts.

mod caught;
mod deadline;
mod many;

pub(crate) use self::{
    caught::caught,
    deadline::Deadline,
    many::{EndReason, Flow, run_many},
};
