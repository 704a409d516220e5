//! How the outermost call of a module runs.

use std::pin::pin;

use tracing::{Instrument, Span};

use super::Module;
use crate::{Prediction, Result, Tracer, Usage, stream::ModuleStream, telemetry};

/// Runs the module's own part, in a span.
pub(crate) async fn forward<M: Module>(module: &M, input: M::Input) -> Result<Prediction<M::Output>> {
    let span = telemetry::module::<M>();
    if !span.is_heard() {
        return module.forward(input).await;
    }
    let outcome = pin!(module.forward(input)).instrument(span.get()).await;
    span.end(outcome.as_ref().err());
    outcome
}

/// Runs a copy of a module that writes to this tracer, and adds what it wrote to the outcome.
pub(super) async fn traced<M: Module>(
    copy: &M,
    tracer: &Tracer,
    input: M::Input,
) -> Result<Prediction<M::Output>> {
    let outcome = forward(copy, input).await;
    let prediction = outcome.map_err(|error| error.with_run(tracer.trace(), tracer.usage()))?;
    // A module without predictors may have told its own costs.
    let usage = match tracer.usage() {
        none if none == Usage::default() => prediction.usage(),
        usage => usage,
    };
    Ok(prediction.with_usage(usage).with_trace(tracer.trace()))
}

/// The run of a copy whose predictors tell what they write.
pub(super) fn streamed<M: Module>(module: &M, input: M::Input) -> ModuleStream<M::Output> {
    let outer = module.tracer().is_some();
    let tracer = Tracer::new();
    // Inside of another module's `forward` it is a part of that one's trace.
    let mut copy = if outer { module.clone() } else { module.traced(&tracer) };
    ModuleStream::new(|listener| {
        for (_, predictor) in copy.all_predictors_mut() {
            predictor.set_listener(&listener);
        }
        let run = async move {
            match outer {
                true => forward(&copy, input).await,
                false => traced(&copy, &tracer, input).await,
            }
        };
        // It is a part of what asked for the stream, whoever takes the events.
        run.instrument(Span::current())
    })
}
