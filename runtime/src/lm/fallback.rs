//! Another model is asked when one fails.

use super::{BoxFuture, Delta, LanguageModel, Lm, Request, Response, ResponseFormat, Sink, Support, member};
use crate::report::{Error, Fact, Result};

impl Lm {
    /// Asks the first; where it fails with what another model may mend, the second; and so on.
    ///
    /// * **Another one is asked** where the server cannot be reached or is not trusted, is too slow, fails, limits the rate or answers
    ///   what its API does not promise; where the quota is used up, the key is missing or refused, or the model is unknown there; and
    ///   where the prompt is longer than the model's context. Each time there is a warning in the log.
    /// * **Not** where the program or the input is wrong (`is_config` but for a missing key, `is_bad_request` but for the length), where a
    ///   model refused or its answer was filtered, and once something of a stream was told.
    ///
    /// Each member is asked as it stands, with its own settings, retries, limits, prices, cache and history, so it has used up its
    /// retries before the next one's turn. What is set on the fallback applies over the members' settings. `Response::model` says who answered
    /// (its name, where the server did not say), the usage counts the calls that failed. If all fail, the error's message has all of theirs,
    /// and its kind is that of the first that may pass, else of the last. A form of answer is asked for if all members take it.
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
        let name = member::name("fallback", &members);
        member::several("fallback", &members.clone(), Fallback { name, members })
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
            member::check(request, &self.name, &mut errors)?;
            let mut is_told = false;
            let outcome = match &mut sink {
                None => member::ask(lm, request, None).await,
                Some(sink) => {
                    let mut noting = |delta: Delta<'_>| {
                        is_told = true;
                        sink(delta);
                    };
                    member::ask(lm, request, Some(&mut noting)).await
                }
            };
            match outcome {
                Ok(mut response) => {
                    response.usage += member::spent(&errors);
                    return Ok(response);
                }
                Err(error) if !is_told && error.kind().is(Fact::OtherModel) => {
                    if let Some(next) = self.members.get(index + 1) {
                        tracing::warn!(model = lm.name(), next = next.name(), %error, "a model failed; the next one is asked");
                    }
                    errors.push((lm.name(), error));
                }
                Err(error) => return Err(member::after(error, &errors)),
            }
        }
        Err(member::all_failed(&self.name, errors))
    }
}

impl LanguageModel for Fallback {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("fallback({})", member::identities(&self.members).join(", "))
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send(request, sink))
    }

    fn supports(&self, format: &ResponseFormat) -> Support {
        member::supports(&self.members, format)
    }
}
