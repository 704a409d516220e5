//! Public types can go to other threads, be shown and be read from text.

use karat::{
    BestOfN, Budget, Cache, ChainOfThought, Error, ErrorKind, History, Limits, Lm, Predict, Prediction,
    Predictor, Refine, Reply, Retry, Rollout, Score, ScriptedLm, State, Stop, Trace, Usage,
    batch::BatchStop,
    lm::{
        CallHistory, Completion, Config, Finish, Message, Pool, Prices, Prompt, Replay, Request, Response,
        Role, Timeouts,
    },
    signature,
};

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

const fn goes_to_threads<T: Send + Sync + 'static>() {}

/// Checked by the compiler.
const _: () = {
    goes_to_threads::<(Lm, Cache, Limits, Pool, Prices, Replay, Retry, ScriptedLm, Timeouts, Reply)>();
    goes_to_threads::<(Config, Request, Response, Completion, Message, Prompt, Role, Finish, Usage)>();
    goes_to_threads::<(Predict<Qa>, ChainOfThought<Qa>, Predictor, State, History, CallHistory)>();
    goes_to_threads::<(Prediction<QaOutput>, Rollout, Trace, Score, Stop, BatchStop, Budget)>();
    goes_to_threads::<(Error, ErrorKind, QaInput)>();
    goes_to_threads::<(BestOfN<Predict<Qa>>, Refine<Predict<Qa>>)>();
};

#[test]
fn an_lm_is_read_from_its_name_and_shown_by_it() {
    let lm: Lm = "openai/gpt-4o-mini".parse().unwrap();
    assert_eq!(lm.to_string(), "openai/gpt-4o-mini");
    assert!("gpt-4o-mini".parse::<Lm>().unwrap_err().is_config());
    assert_eq!(ScriptedLm::new([Reply::text("hi")]).named("acme/parrot").lm().to_string(), "acme/parrot");
}

#[test]
fn kinds_are_shown_by_the_names_that_files_and_spans_have() {
    assert_eq!(ErrorKind::RateLimited.to_string(), "rate_limited");
    assert_eq!(Role::Assistant.to_string(), "assistant");
    assert_eq!(Finish::ContentFilter.to_string(), "content_filter");
    assert_eq!(Finish::from("abort").to_string(), "abort");
    assert_eq!(Stop::Threshold.to_string(), "a reward reached the threshold");
    assert_eq!(BatchStop::Completed.to_string(), "all items ran");
}

#[test]
fn shared_handles_are_taken_owned_or_borrowed() {
    let (cache, limits, prices) = (Cache::memory(), Limits::new().concurrency(2), Prices::new());
    let lm = || Lm::new("openai/gpt-4o-mini").unwrap();
    let borrowed = lm().cache(&cache).limits(&limits).prices(&prices);
    assert_eq!(borrowed, lm().cache(cache).limits(limits).prices(prices));
}

#[test]
fn the_crates_of_values_and_schemas_come_with_karat() {
    let value: karat::serde_json::Value = karat::serde_json::from_str("{\"b\":0.1,\"a\":1}").unwrap();
    assert_eq!(value.to_string(), "{\"b\":0.1,\"a\":1}");
    assert_eq!(karat::schemars::schema_for!(bool).as_value()["type"], "boolean");
}
