//! Counts the requests of custom models.

use crate::{
    data::{Request, Response, ResponseFormat, Sink, Support},
    model::{BoxFuture, LanguageModel},
    report::{ErrorKind, Result},
};

/// A custom model whose every call counts as a request.
pub(crate) struct Metered<M>(pub(crate) M);

impl<M: LanguageModel> LanguageModel for Metered<M> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn identity(&self) -> String {
        self.0.identity()
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let asked = request.meter.pay_for_model()?;
            let outcome = self.0.call(request, sink).await;
            asked.end(sent(&outcome));
            outcome
        })
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        self.0.supports(format)
    }
}

/// The number of requests that a model reports with its answer; 1 if it reports none.
fn sent(outcome: &Result<Response>) -> u64 {
    match outcome {
        Ok(response) if response.usage.calls == 0 => 1,
        Ok(response) => response.usage.sent_calls(),
        Err(error) if error.kind() == ErrorKind::MissingKey => 0,
        Err(error) => error.attempts().into(),
    }
}
