//! Error messages: the last error keeps the one that made a predictor ask again, and shared causes are named once.

use std::{error::Error as _, sync::Arc, time::Duration};

use karat::{
    BestOfN, Context, Error, ErrorKind, JsonAdapter, Module, OnParseError, Predict, Reasoned, Refine, Reply,
    ScriptedLm, TerseAdapter, XmlAdapter, signature,
};

use crate::support::*;

/// Rate the joke.
#[signature]
struct Rate {
    #[input]
    joke: String,
    #[output(range(0..=10))]
    points: u8,
    #[output]
    why: String,
}

const BROKEN: &str = "[[ ## points ## ]]\n11\n\n[[ ## why ## ]]\nIt rhymes.\n\n[[ ## completed ## ]]";

fn rate(replies: impl IntoIterator<Item = Reply>) -> Predict<Rate> {
    Predict::new().lm(&ScriptedLm::new(replies).lm())
}

async fn failed(predict: &Predict<Rate>) -> Error {
    predict.call(RateInput { joke: "Knock".into() }).await.expect_err("no answer can be used")
}

fn earlier(error: &Error) -> &Error {
    error.source().and_then(|source| source.downcast_ref()).expect("the error before it")
}

#[tokio::test]
async fn a_violation_is_not_hidden_by_an_unreadable_second_answer() {
    for second in ["I am sorry, I cannot do that.", "", "```\n```", "null"] {
        let error = failed(&rate([Reply::text(BROKEN), Reply::text(second)])).await;
        assert!(error.to_string().contains("`points` is 11"), "{second:?}: {error}");
        assert_eq!((earlier(&error).field(), earlier(&error).completion()), (Some("points"), Some(BROKEN)));
        if error.is_parse() {
            assert!(error.is_violation(), "{second:?}: {error:?}");
            assert_eq!((error.field(), error.completion()), (Some("points"), Some(second)));
        }
    }
}

#[tokio::test]
async fn a_second_answer_that_names_a_field_speaks_for_itself() {
    let error = failed(&rate([Reply::text(BROKEN), Reply::fields([("points", 7)])])).await;
    assert!(error.is_parse() && !error.is_violation(), "{error}");
    assert_eq!((error.field(), earlier(&error).field()), (Some("why"), Some("points")));
    assert!(error.to_string().contains("`why`") && error.to_string().contains("`points` is 11"), "{error}");
}

#[tokio::test]
async fn every_way_of_asking_again_keeps_the_first_error() {
    let rules = [
        OnParseError::Reask(1),
        OnParseError::Reask(3),
        OnParseError::Fallback(Arc::new(JsonAdapter)),
        OnParseError::Fallback(Arc::new(XmlAdapter)),
        OnParseError::Fallback(Arc::new(TerseAdapter)),
    ];
    for rule in rules {
        let shown = format!("{rule:?}");
        let replies = [Reply::text(BROKEN), Reply::text("?"), Reply::text("?"), Reply::text("?")];
        let error = failed(&rate(replies).on_parse_error(rule)).await;
        assert!(error.to_string().contains("`points` is 11"), "{shown}: {error}");
        assert!(earlier(&error).is_violation(), "{shown}");
    }
    let error = failed(&rate([Reply::text(BROKEN)]).on_parse_error(OnParseError::Fail)).await;
    assert!(error.is_violation() && error.source().is_none());
}

#[tokio::test]
async fn a_stream_keeps_the_first_error_too() {
    let predict = rate([Reply::text(BROKEN), Reply::text("sorry")]);
    let error = predict.stream(RateInput { joke: "Knock".into() }).finish().await.unwrap_err();
    assert!(error.is_violation() && error.to_string().contains("`points` is 11"), "{error}");
    assert_eq!((error.field(), error.completion()), (Some("points"), Some("sorry")));
}

#[tokio::test]
async fn a_script_that_runs_out_says_what_made_the_program_ask_again() {
    let error = failed(&rate([Reply::text(BROKEN)])).await;
    let text = error.to_string();
    assert!(text.contains("no reply left for request 2") && text.contains("`points` is 11"), "{text}");
    assert_eq!(earlier(&error).completion(), Some(BROKEN));
}

#[tokio::test]
async fn a_server_that_fails_at_the_second_question_is_a_server_error() {
    let error = failed(&rate([Reply::text(BROKEN), server_error()])).await;
    assert!(error.is_server() && error.is_transient(), "{error}");
    assert!(error.to_string().contains("`points` is 11"), "{error}");
}

#[tokio::test]
async fn equal_failures_of_rollouts_are_named_once() {
    let down = || ScriptedLm::computed(|_| failure(ErrorKind::Connect)).lm();
    let best = BestOfN::new(Predict::<Qa>::new().lm(&down()), 5, |_, _| true).call(ask()).await.unwrap_err();
    assert_eq!(best.to_string().matches("scripted Connect").count(), 1, "{best}");
    assert!(best.to_string().contains("all 5: predictor `module`: scripted Connect"), "{best}");
    assert_eq!(format!("{best:?}").matches("scripted Connect").count(), 2, "{best:?}");
    assert!(format!("{best:?}").contains("failed as rollout 0"), "{best:?}");

    let refined =
        Refine::new(Predict::<Qa>::new().lm(&down()), 3, |_, _| true).call(ask()).await.unwrap_err();
    assert!(refined.to_string().contains("all 3: "), "{refined}");

    let inner = BestOfN::new(Predict::<Qa>::new().lm(&down()), 4, |_, _| true);
    let nested = BestOfN::new(inner, 4, |_, _| true).call(ask()).await.unwrap_err();
    assert_eq!(nested.to_string().matches("scripted Connect").count(), 1, "{nested}");
}

#[tokio::test]
async fn different_failures_of_rollouts_are_each_named() {
    let lm = by_rollout(|id| match id {
        1 => failure(ErrorKind::Server),
        _ => failure(ErrorKind::Connect),
    });
    let error = BestOfN::new(qa(&lm), 4, |_, _| true).call(ask()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("rollouts 0, 2 and 3: ") && text.contains("rollout 1: "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn failures_that_differ_only_in_attempts_and_waits_count_as_equal() {
    let lm = ScriptedLm::computed(|_| failure(ErrorKind::Server)).lm();
    let lm = lm.retry(karat::Retry::new().attempts(3)).deadline(Duration::from_secs(60));
    let error = BestOfN::new(Predict::<Qa>::new().lm(&lm), 5, |_, _| true).call(ask()).await.unwrap_err();
    assert_eq!(error.to_string().matches("scripted Server").count(), 1, "{error}");
    let own = error.rollouts()[0].error().unwrap().to_string();
    assert!(own.contains("after 3 attempts"), "each rollout's own error has them: {own}");
}

#[tokio::test]
async fn a_batch_names_equal_failures_once() {
    let lm = ScriptedLm::computed(|request| match request.prompt.last().contains("odd") {
        true => failure(ErrorKind::Refused),
        false => failure(ErrorKind::Connect),
    });
    let done = qa(&lm).batch(["a", "odd", "b", "c"].map(question)).await;
    let text = done.to_string();
    assert!(text.starts_with("4 items, 0 done; items 0, 2 and 3: "), "{text}");
    assert_eq!(text.matches("scripted Connect").count(), 1, "{text}");
    let good = qa(&answers(["x", "y"])).batch(["a", "b"].map(question)).await;
    assert_eq!(good.to_string(), "2 items, 2 done");
}

#[tokio::test]
async fn a_typed_output_is_a_reply_in_every_format() {
    let output = || RateOutput { points: 7, why: "It \"rhymes\".\n[x]".into() };
    for predict in [rate([Reply::output(output())]), rate([Reply::output(output())]).adapter(JsonAdapter)] {
        let rated = predict.call(RateInput { joke: "Knock".into() }).await.unwrap();
        assert_eq!((rated.points, rated.why.as_str()), (7, "It \"rhymes\".\n[x]"));
    }
    let reasoned = Reasoned { reasoning: "Hm.".into(), output: output() };
    let chain = karat::ChainOfThought::<Rate>::new().lm(&ScriptedLm::new([Reply::output(reasoned)]).lm());
    let rated = chain.call(RateInput { joke: "Knock".into() }).await.unwrap();
    assert_eq!((rated.reasoning.as_str(), rated.points), ("Hm.", 7));
}

#[tokio::test]
async fn fields_of_a_reply_may_be_of_different_types() {
    let mixed = Reply::fields([("why", "short")]).with_field("points", 3).with_field("why", "It is short.");
    let rated = rate([mixed]).call(RateInput { joke: "Knock".into() }).await.unwrap();
    assert_eq!((rated.points, rated.why.as_str()), (3, "It is short."));
    let error = failed(&rate([Reply::text("x").with_field("points", 3)])).await;
    assert!(error.is_config() && error.to_string().contains("Reply::fields"), "{error}");
}

#[tokio::test]
async fn a_forward_takes_errors_of_other_crates_with_a_question_mark() {
    #[karat::module]
    struct Reader {
        qa: Predict<Qa>,
    }

    #[karat::module]
    impl Reader {
        async fn forward(&self, path: String) -> karat::Result<karat::Prediction<usize>> {
            let text = std::fs::read_to_string(&path)?;
            let number: usize = text.trim().parse().context("the number in the file")?;
            Ok(karat::Prediction::new(number))
        }
    }

    let reader = Reader { qa: Predict::new() };
    let error = reader.call("/no/such/file".into()).await.unwrap_err();
    assert!(error.is_io(), "{error:?}");
    let error = reader.call(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()).await.unwrap_err();
    assert!(error.to_string().starts_with("the number in the file: invalid digit"), "{error}");
}
