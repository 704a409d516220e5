//! Fallbacks: the next model is asked when one fails.

use karat::{
    Error, ErrorKind, JsonAdapter, LanguageModel, Lm, Module, Predict, Reply, Result, ScriptedLm,
    lm::{Caller, CallerId, Delta, Request, Response, ResponseFormat, Support},
};

use crate::support::{Qa, Watched, ask, failure, hi, millis, reply, tokens};

fn failing(kind: ErrorKind) -> ScriptedLm {
    ScriptedLm::computed(move |_| failure(kind)).named("first")
}

fn good() -> ScriptedLm {
    ScriptedLm::computed(|_| Reply::text("good").usage(tokens(3, 1))).named("second")
}

#[tokio::test]
async fn another_model_is_asked_only_if_it_may_help() {
    use ErrorKind::*;
    for kind in [
        Connect,
        Tls,
        Timeout,
        Server,
        BadResponse,
        TooLarge,
        RateLimited,
        Quota,
        Auth,
        MissingKey,
        UnknownModel,
        ContextLength,
    ] {
        let (first, second) = (failing(kind), good());
        let response = Lm::fallback([first.lm(), second.lm()]).complete(hi("x")).await.unwrap();
        assert_eq!(response.completions[0].text, "good", "{kind:?}");
        assert_eq!(response.model.as_deref(), Some("second"));
        // Without a key nothing was sent.
        assert_eq!(response.usage.calls, if kind == MissingKey { 1 } else { 2 }, "{kind:?}");
        assert_eq!(response.usage.prompt_tokens, 3);
    }
    for kind in
        [Config, BadInput, NoLm, BadRequest, Budget, Truncated, Refused, Filtered, Parse, Violation, Other]
    {
        let (first, second) = (failing(kind), good());
        let error = Lm::fallback([first.lm(), second.lm()]).complete(hi("x")).await.unwrap_err();
        assert_eq!((error.kind(), second.calls()), (kind, 0), "{error}");
    }
}

#[tokio::test]
async fn the_first_model_that_answers_is_the_last_one_asked() {
    let (first, second) = (good(), good());
    let response = Lm::fallback([first.lm(), second.lm()]).complete(hi("x")).await.unwrap();
    assert_eq!((first.calls(), second.calls(), response.usage.calls), (1, 0, 1));
}

#[tokio::test]
async fn if_all_fail_the_error_has_each_message_and_whether_waiting_helps() {
    let limited = ScriptedLm::new([Reply::error(
        Error::new(ErrorKind::RateLimited, "slow down").with_status(429).with_retry_after(millis(500)),
    )]);
    let lm = Lm::fallback([
        failing(ErrorKind::Quota).lm(),
        limited.named("b").lm(),
        failing(ErrorKind::Auth).lm(),
    ]);
    let error = lm.complete(hi("x")).await.unwrap_err();
    assert!(error.is_rate_limited(), "{error}");
    assert_eq!((error.status(), error.retry_after()), (Some(429), Some(millis(500))));
    let text = error.to_string();
    for part in ["`fallback(first, b, first)`", "(1) scripted Quota", "(2) slow down", "(3) scripted Auth"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("slow down"));
    let permanent = Lm::fallback([failing(ErrorKind::Quota).lm(), failing(ErrorKind::Auth).lm()]);
    assert!(permanent.complete(hi("x")).await.unwrap_err().is_auth());
}

#[tokio::test]
async fn a_fallback_without_members_is_an_error_of_the_first_call() {
    for lm in [Lm::fallback([]), Lm::pool([]), Lm::fallback([Lm::pool([])])] {
        let error = lm.temperature(0.5).complete(hi("x")).await.unwrap_err();
        assert!(error.is_config() && error.to_string().contains("of no LMs"), "{error}");
    }
}

#[tokio::test]
async fn a_members_own_mistake_is_the_error() {
    let second = good();
    let wrong = ScriptedLm::new([""; 0]).lm().base_url("http://x");
    let error = Lm::fallback([wrong, second.lm()]).complete(hi("x")).await.unwrap_err();
    assert!(error.is_config() && second.calls() == 0, "{error}");
}

#[tokio::test]
async fn settings_of_the_fallback_override_those_of_its_members() {
    let (first, second) = (failing(ErrorKind::Server), good());
    let lm = Lm::fallback([first.lm().temperature(0.1).max_tokens(7), second.lm().temperature(0.2).seed(3)]);
    lm.temperature(0.9).complete(hi("x")).await.unwrap();
    let (first, second) = (&first.requests()[0].config, &second.requests()[0].config);
    assert_eq!((first.temperature, first.max_tokens, first.seed), (Some(0.9), Some(7), None));
    assert_eq!((second.temperature, second.max_tokens, second.seed), (Some(0.9), None, Some(3)));
}

#[tokio::test]
async fn once_a_part_was_streamed_no_other_model_is_asked() {
    let broken = |pieces: Vec<&str>| {
        ScriptedLm::new([Reply::pieces(pieces).cut(Error::new(ErrorKind::Connect, "cut"))])
    };
    for (first, expected) in [(broken(vec!["a", "b"]), None), (broken(vec![]), Some("good"))] {
        let mut heard = String::new();
        let lm = Lm::fallback([first.lm(), good().lm()]);
        let sink = &mut |delta: Delta<'_>| heard += delta.text;
        let outcome = lm.stream_for(Caller::new("me", CallerId::unique()), hi("x"), sink).await;
        match expected {
            Some(text) => assert_eq!((&*outcome.unwrap().completions[0].text, &*heard), (text, text)),
            None => assert_eq!((outcome.unwrap_err().completion(), &*heard), (Some("ab"), "ab")),
        }
    }
}

#[tokio::test]
async fn a_predictors_caller_is_passed_on_to_the_members() {
    let (first, second) = (failing(ErrorKind::Server), ScriptedLm::computed(|_| reply("Paris")));
    let inner = second.lm();
    let qa = Predict::<Qa>::new().lm(&Lm::fallback([first.lm(), inner.clone()]));
    let answer = qa.call(ask()).await.unwrap();
    assert_eq!((&*answer.answer, answer.usage().calls), ("Paris", 2));
    assert_eq!((qa.history().len(), inner.history()[0].predictor()), (1, Some("self")));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_its_request() {
    let watched = Watched::new(ScriptedLm::computed(|_| Reply::text("x").delay(millis(1000))));
    let lm = Lm::fallback([failing(ErrorKind::Server).lm(), watched.lm()]);
    assert!(tokio::time::timeout(millis(500), lm.complete(hi("x"))).await.is_err());
    assert_eq!((watched.in_flight(), watched.dropped()), (0, 1));
}

/// A model that takes no schema.
struct Plain;

impl LanguageModel for Plain {
    fn name(&self) -> &str {
        "plain"
    }
    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> karat::lm::BoxFuture<'a, Result<Response>> {
        assert!(!matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. })));
        let completions = vec![karat::lm::Completion::new("{\"answer\": \"Paris\"}")];
        Box::pin(async { Ok(Response::new(completions)) })
    }
    fn supports(&self, format: &ResponseFormat) -> Support {
        match format {
            ResponseFormat::JsonSchema { .. } => Support::None,
            _ => Support::Strict,
        }
    }
}

#[tokio::test]
async fn a_response_format_is_asked_for_only_if_all_members_take_it() {
    let first = failing(ErrorKind::Server);
    for lm in [Lm::fallback([first.lm(), Lm::custom(Plain)]), Lm::pool([first.lm(), Lm::custom(Plain)])] {
        let qa = Predict::<Qa>::new().adapter(JsonAdapter).lm(&lm);
        assert_eq!(qa.call(ask()).await.unwrap().answer, "Paris");
    }
    assert!(
        first.requests().iter().all(|request| request.response_format == Some(ResponseFormat::JsonObject))
    );
}

#[tokio::test]
async fn an_error_counts_the_attempts_of_all_members() {
    let (first, second) = (failing(ErrorKind::Server), failing(ErrorKind::Auth));
    let refusing = failing(ErrorKind::BadRequest);
    for several in [Lm::fallback as fn([Lm; 2]) -> Lm, Lm::pool] {
        let error = several([first.lm(), second.lm()]).complete(hi("x")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Server, 2), "{error}");
        let error = several([first.lm(), refusing.lm()]).complete(hi("x")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::BadRequest, 2), "{error}");
        let predict = Predict::<Qa>::new().lm(&several([first.lm(), second.lm()]));
        assert_eq!(predict.call(ask()).await.unwrap_err().usage().calls, 2);
    }
}
