//! A model of the program's own with its requests counted.

use crate::report::{ErrorKind, Result};
use crate::{
    data::{Request, Response, ResponseFormat, Sink, Takes},
    model::{BoxFuture, LanguageModel},
};

/// Counts a request each time when it is asked.
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

    fn takes(&self, format: &ResponseFormat) -> Takes {
        self.0.takes(format)
    }
}

/// How many requests a model has sent, as its answer says: one where it says nothing of it.
fn sent(outcome: &Result<Response>) -> u64 {
    match outcome {
        Ok(response) if response.usage.calls == 0 => 1,
        Ok(response) => response.usage.sent_calls(),
        Err(error) if error.kind() == ErrorKind::MissingKey => 0,
        Err(error) => error.attempts().into(),
    }
}
