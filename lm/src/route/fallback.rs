//! Fallback: asks the next model when one fails.

use super::members;
use crate::{
    data::{Delta, Request, Response, ResponseFormat, Sink, Support},
    handle::Lm,
    model::{BoxFuture, LanguageModel},
    report::{Error, Fact, Result},
};

impl Lm {
    /// Asks the first model; if it fails in a way that another model may not, the second; and so on.
    ///
    /// * **The next one is asked** if the server cannot be reached or is not trusted, is too slow, fails, limits the rate or answers
    ///   what its API does not promise; if the quota is used up, the key is missing or refused, or the model is unknown there; and
    ///   if the prompt is longer than the model's context. Each time a warning is logged.
    /// * **It is not** if the program or the input is wrong (`is_config` but for a missing key, `is_bad_request` but for the length), if
    ///   a model refused or its answer was filtered, or once a part of a stream has been sent to the sink.
    ///
    /// Each member keeps its own settings, retries, limits, prices, cache and history, so it has used up its retries before the next
    /// one is asked. Settings of the fallback override the members'. `Response::model` says who answered (the member's name, where the
    /// server did not say), and the usage counts the failed calls too. If all fail, the error's message has all of theirs, and its kind
    /// is that of the first transient one, else of the last. A response format is asked for if all members take it.
    ///
    /// Cancel safe: dropping the call drops the request on its way. No members at all is an [`is_config`](Error::is_config) error of
    /// the first call.
    ///
    /// ```
    /// use karat::{Error, ErrorKind, Lm, Reply, ScriptedLm, lm::{Message, Request}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> karat::Result<()> {
    /// let busy = ScriptedLm::new([Reply::error(Error::new(ErrorKind::Server, "down"))]).named("large");
    /// let spare = ScriptedLm::new(["hello"]).named("small");
    /// let lm = Lm::fallback([busy.lm(), spare.lm().temperature(0.2)]).max_tokens(100);
    /// let response = lm.complete(Request::new(vec![Message::user("hi")])).await?;
    /// assert_eq!((lm.name(), response.model.as_deref()), ("fallback(large, small)", Some("small")));
    /// assert_eq!(response.usage.calls, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fallback(members: impl IntoIterator<Item = Lm>) -> Lm {
        let members: Vec<Lm> = members.into_iter().collect();
        let name = members::name("fallback", &members);
        members::combined("fallback", &members.clone(), Fallback { name, members })
    }
}

struct Fallback {
    name: String,
    members: Vec<Lm>,
}

impl Fallback {
    async fn send(&self, request: &Request, mut sink: Option<&mut Sink<'_>>) -> Result<Response> {
        let mut errors: Vec<(&str, Error)> = Vec::new();
        for (index, lm) in self.members.iter().enumerate() {
            members::check(request, &self.name, &mut errors)?;
            let mut has_streamed = false;
            let outcome = match &mut sink {
                None => members::ask(lm, request, None).await,
                Some(sink) => {
                    let mut noting = |delta: Delta<'_>| {
                        has_streamed = true;
                        sink(delta);
                    };
                    members::ask(lm, request, Some(&mut noting)).await
                }
            };
            match outcome {
                Ok(mut response) => {
                    response.usage += members::spent(&errors);
                    return Ok(response);
                }
                Err(error) if !has_streamed && error.kind().is(Fact::OtherModel) => {
                    if let Some(next) = self.members.get(index + 1) {
                        tracing::warn!(model = lm.name(), next = next.name(), %error, "a model failed; the next one is asked");
                    }
                    errors.push((lm.name(), error));
                }
                Err(error) => return Err(members::after(error, &errors)),
            }
        }
        Err(members::all_failed(&self.name, errors))
    }
}

impl LanguageModel for Fallback {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("fallback({})", members::identities(&self.members).join(", "))
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send(request, sink))
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        members::supports(&self.members, format)
    }
}
