//! How the outermost call of a module runs.

use super::Module;
use crate::{Prediction, Result, Tracer, Usage, stream::ModuleStream};

/// Runs a copy of a module that writes to this tracer, and adds what it wrote to the outcome.
pub(super) async fn traced<M: Module>(
    copy: &M,
    tracer: &Tracer,
    input: M::Input,
) -> Result<Prediction<M::Output>> {
    let outcome = copy.forward(input).await;
    let prediction = outcome.map_err(|error| error.with_run(tracer.trace(), tracer.usage()))?;
    // A module without predictors may have told its own costs.
    let usage = if tracer.usage() == Usage::default() { prediction.usage() } else { tracer.usage() };
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
        async move {
            match outer {
                true => copy.forward(input).await,
                false => traced(&copy, &tracer, input).await,
            }
        }
    })
}
