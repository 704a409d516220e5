//! Runs the outermost call of a module: with a trace, or as a stream.

use std::{any::type_name, pin::pin};

use karat_lm::telemetry;
use tracing::{Instrument, Level, Span, level_enabled};

use super::{Module, Node, Walker, all_predictors_mut, traced, tracer};
use crate::{Prediction, Result, Usage, run::Tracer, stream::ModuleStream};

/// Runs a copy as a part of the run whose [tracer](super::traced) it has: its [`forward`](Module::forward), in a span of its own.
///
/// A [`call`](Module::call) inside of another module does the same. What is transparent (it shows walkers another module in its own
/// place) opens no span, and neither does a bare predictor, which has one anyway.
///
/// # Errors
/// The module's.
pub async fn run<M: Module>(copy: &M, input: M::Input) -> Result<Prediction<M::Output>> {
    let has_span = level_enabled!(Level::INFO) && has_span(copy);
    let span = if has_span { telemetry::module(type_name::<M>()) } else { telemetry::none() };
    if !span.is_heard() {
        return copy.forward(input).await;
    }
    let outcome = pin!(copy.forward(input)).instrument(span.get()).await;
    span.end(outcome.as_ref().err());
    outcome
}

/// True if the module shows itself to walkers, as more than a predictor.
fn has_span<M: Module>(module: &M) -> bool {
    let (mut is_shown, mut is_predictor) = (false, false);
    Walker::run(module, &mut |site, node| match node {
        _ if site.depth() > 0 => {}
        Node::Module(module) => is_shown |= module.type_name() == type_name::<M>(),
        Node::Parameter(_) => is_predictor = true,
    });
    is_shown && !is_predictor
}

/// Runs the copy of an outermost call, and adds what it wrote to the outcome.
pub(super) async fn outermost<M: Module>(
    copy: &M,
    tracer: &Tracer,
    input: M::Input,
) -> Result<Prediction<M::Output>> {
    let outcome = run(copy, input).await;
    let prediction = outcome.map_err(|error| error.with_run(tracer.trace(), tracer.usage()))?;
    // A module without predictors may have set its own usage.
    let usage = match tracer.usage() {
        none if none == Usage::default() => prediction.usage(),
        usage => usage,
    };
    Ok(prediction.with_usage(usage).with_trace(tracer.trace()))
}

/// Streams the run of a copy whose predictors have the stream's listener.
pub(super) fn streamed<M: Module>(module: &M, input: M::Input) -> ModuleStream<M::Output> {
    let is_inside = tracer(module).is_some();
    let tracer = Tracer::new();
    // Inside of another module's `forward` it is a part of that one's trace.
    let mut copy = if is_inside { module.clone() } else { traced(module, &tracer) };
    ModuleStream::new(|listener| {
        for (_, predictor) in all_predictors_mut(&mut copy) {
            predictor.set_listener(&listener);
        }
        let run = async move {
            match is_inside {
                true => run(&copy, input).await,
                false => outermost(&copy, &tracer, input).await,
            }
        };
        // Its span's parent is the span that asked for the stream, whoever takes the events.
        run.instrument(Span::current())
    })
}
