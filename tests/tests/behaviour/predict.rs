//! `Predict`: the requests that it sends, how it reads answers, and every misuse at run time.

use karat::{
    BestOfN, ChatAdapter, ErrorKind, JsonAdapter, Module, OnParseError, Predict, Reply, ScriptedLm,
    lm::{Config, Finish, ResponseFormat, Role},
    signature,
};
use serde_json::json;

use crate::support::{
    Qa, Warnings, answers, ask, echo_id, failure, number, qa, question, reply, temperatures, tokens, whole,
};

/// Two fields, so that one may be missing.
#[signature]
struct Review {
    #[input]
    text: String,
    #[output]
    stars: u8,
    #[output]
    summary: String,
    #[output]
    author: Option<String>,
}

fn review(lm: &ScriptedLm) -> Predict<Review> {
    Predict::new().lm(&lm.lm())
}

fn text() -> ReviewInput {
    ReviewInput { text: "Great.".into() }
}

#[tokio::test]
async fn a_call_sends_system_text_demos_and_the_question_in_this_order() {
    let lm = answers(["Paris"]);
    let demo = |q: &str, a: &str| Qa { question: q.into(), answer: a.into() };
    let module = qa(&lm).demos(vec![demo("first?", "one"), demo("second?", "two")]);
    module.call(ask()).await.unwrap();
    let request = &lm.requests()[0];
    let roles: Vec<_> = request.prompt.iter().map(|message| message.role).collect();
    use Role::{Assistant, System, User};
    assert_eq!(roles, [System, User, Assistant, User, Assistant, User]);
    let texts: Vec<_> = request.prompt.iter().map(|message| message.content.to_string()).collect();
    for (text, part) in
        texts.iter().zip(["Answer the question.", "first?", "one", "second?", "two", "Capital of France?"])
    {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    assert_eq!(request.config, Config::default());
}

#[tokio::test]
async fn the_prompt_that_is_shown_is_the_prompt_that_is_sent() {
    let lm = answers(["Paris"]);
    let module = qa(&lm).instructions("Be brief.");
    let shown = module.prompt(&ask()).unwrap();
    module.call(ask()).await.unwrap();
    assert!(shown.iter().eq(lm.requests()[0].prompt.iter()));
}

#[tokio::test]
async fn a_predictors_own_settings_are_sent_over_the_lms() {
    let lm = answers(["1"]);
    let module = Predict::<Qa>::new()
        .lm(&lm.lm().temperature(0.5).max_tokens(10).param("top_k", 1).param("min_p", 2))
        .temperature(0.1)
        .stop("END")
        .param("top_k", 5);
    module.call(ask()).await.unwrap();
    let config = &lm.requests()[0].config;
    assert_eq!((config.temperature, config.max_tokens, config.stop.len()), (Some(0.1), Some(10), 1));
    assert_eq!((&config.params["top_k"], &config.params["min_p"]), (&json!(5), &json!(2)));
}

#[tokio::test]
async fn without_an_lm_the_error_names_the_predictor_and_says_what_to_do() {
    let error = Predict::<Qa>::new().call(ask()).await.unwrap_err();
    assert!(error.is_config() && error.is_permanent());
    assert_eq!((error.kind(), error.predictor()), (ErrorKind::NoLm, Some("self")));
    for way_out in ["set_lm", ".lm(&lm)", "karat::configure"] {
        assert!(error.to_string().contains(way_out), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_with_its_text_and_is_not_asked_again() {
    let lm = ScriptedLm::new([Reply::refusal("I cannot help with that")]);
    let error = qa(&lm).call(ask()).await.unwrap_err();
    assert!(error.is_refused() && !error.is_filtered() && !error.is_parse());
    assert!(error.to_string().contains("I cannot help with that"), "{error}");
    assert_eq!((error.predictor(), error.completion()), (Some("self"), Some("I cannot help with that")));
    assert_eq!(lm.calls(), 1);
}

#[tokio::test]
async fn an_empty_answer_is_an_error_that_says_so_and_is_not_asked_again() {
    for text in ["", "  \n\t "] {
        let lm = ScriptedLm::new([Reply::text(text)]);
        let error = qa(&lm).call(ask()).await.unwrap_err();
        assert!(error.is_bad_response(), "{error:?}");
        assert!(error.to_string().contains("empty"), "{error}");
        assert_eq!((error.predictor(), lm.calls()), (Some("self"), 1));
    }
}

#[tokio::test]
async fn an_answer_that_the_content_filter_held_back_is_an_error_that_says_so() {
    for text in ["", "[[ ## answer ## ]]\nhalf of"] {
        let lm = ScriptedLm::new([Reply::text(text).finish(Finish::ContentFilter)]);
        let error = qa(&lm).call(ask()).await.unwrap_err();
        assert!(error.is_filtered() && error.is_refused(), "{error:?}");
        assert_eq!(lm.calls(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_before_its_last_field_is_not_asked_for_again() {
    for rule in [OnParseError::default(), OnParseError::Reask(3), OnParseError::Fail] {
        let cut = "[[ ## stars ## ]]\n5\n\n";
        let lm = ScriptedLm::new([Reply::text(cut).finish(Finish::Length)]);
        let error = review(&lm).on_parse_error(rule).call(text()).await.unwrap_err();
        assert!(error.is_truncated() && !error.is_parse(), "{error:?}");
        assert_eq!((error.field(), error.completion()), (Some("summary"), Some(cut)));
        assert!(error.to_string().contains("max_tokens"), "{error}");
        assert_eq!(lm.calls(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_before_any_text_is_truncated() {
    let lm = ScriptedLm::new([Reply::text("").finish(Finish::Length)]);
    let error = qa(&lm).call(ask()).await.unwrap_err();
    assert!(error.is_truncated() && error.to_string().contains("max_tokens"), "{error}");
    assert_eq!(lm.calls(), 1);
}

#[tokio::test]
async fn an_answer_that_was_cut_but_is_complete_is_an_answer() {
    let whole = "[[ ## stars ## ]]\n5\n\n[[ ## summary ## ]]\ngood\n\n[[ ## completed ## ]]\nI hop";
    let lm = ScriptedLm::new([Reply::text(whole).finish(Finish::Length)]);
    let answer = review(&lm).call(text()).await.unwrap();
    assert_eq!((answer.stars, lm.calls()), (5, 1));
    assert_eq!(answer.summary, "good");
}

#[tokio::test]
async fn an_error_of_the_lm_comes_through_with_the_predictors_path() {
    for kind in [ErrorKind::RateLimited, ErrorKind::Auth, ErrorKind::Server, ErrorKind::ContextLength] {
        let lm = ScriptedLm::new([failure(kind)]);
        let error = qa(&lm).call(ask()).await.unwrap_err();
        assert_eq!((error.kind(), error.predictor(), lm.calls()), (kind, Some("self"), 1));
    }
}

#[tokio::test]
async fn an_optional_field_may_be_absent_and_no_other() {
    let lm = ScriptedLm::new([
        Reply::fields([("stars", json!(4)), ("summary", json!("fine"))]),
        Reply::fields([("stars", json!(4)), ("author", json!("Ann"))]),
    ]);
    let module = review(&lm).on_parse_error(OnParseError::Fail);
    assert_eq!(module.call(text()).await.unwrap().author, None);
    assert_eq!(module.call(text()).await.unwrap_err().field(), Some("summary"));
}

#[tokio::test]
async fn n_completions_are_all_read_and_the_unreadable_ones_left_out() {
    let lm =
        ScriptedLm::new([Reply::text("nothing").and(reply("a")).and(Reply::refusal("no")).and(reply("b"))]);
    let prediction = qa(&lm).n(4).call(ask()).await.unwrap();
    let all: Vec<_> = prediction.completions().map(|output| output.answer.as_str()).collect();
    assert_eq!((prediction.answer.as_str(), all), ("a", vec!["a", "b"]));
    assert_eq!((lm.requests()[0].config.n, lm.calls()), (Some(4), 1));
    assert_eq!(prediction.trace().steps()[0].outputs()[0].1, json!("a"));
}

#[tokio::test]
async fn if_none_of_n_completions_can_be_read_the_first_ones_error_counts() {
    let lm = ScriptedLm::new([Reply::text("first").and(Reply::text("second"))]);
    let error = qa(&lm).n(2).on_parse_error(OnParseError::Fail).call(ask()).await.unwrap_err();
    assert!(error.is_parse());
    assert_eq!(error.completion(), Some("first"));
}

#[tokio::test]
async fn the_json_ladder_goes_down_where_the_provider_calls_the_request_wrong() {
    let format = |request: &karat::lm::Request| match &request.response_format {
        Some(ResponseFormat::JsonSchema { .. }) => "json_schema",
        Some(_) => "json_object",
        None => "prompt",
    };
    let rungs = ["json_schema", "json_object", "prompt"];
    for good in 0..3 {
        let lm = ScriptedLm::computed(move |request| {
            let rung = rungs.iter().position(|rung| *rung == format(request)).unwrap();
            if rung < good {
                failure(ErrorKind::BadRequest)
            } else {
                Reply::text(r#"{"answer": "Paris"}"#).usage(tokens(1, 1))
            }
        });
        let prediction = qa(&lm).adapter(JsonAdapter).call(ask()).await.unwrap();
        assert_eq!(prediction.answer, "Paris");
        let sent: Vec<_> = lm.requests().iter().map(format).collect();
        assert_eq!(sent, rungs[..=good]);
        let calls = prediction.trace().steps()[0].calls().to_vec();
        let calls: Vec<_> =
            calls.iter().map(|call| (call.mode(), call.adapter(), call.error().is_some())).collect();
        let expected: Vec<_> =
            rungs[..=good].iter().map(|rung| (*rung, "json", *rung != rungs[good])).collect();
        assert_eq!(calls, expected);
        assert_eq!(prediction.usage().calls as usize, good + 1);
    }
}

#[tokio::test]
async fn a_rung_that_was_refused_once_is_not_tried_again_until_the_lm_changes() {
    let lm = ScriptedLm::computed(|request| match &request.response_format {
        Some(ResponseFormat::JsonSchema { .. }) => failure(ErrorKind::BadRequest),
        _ => Reply::text(r#"{"answer": "Paris"}"#),
    });
    let mut qa = qa(&lm).adapter(JsonAdapter);
    for calls in [2, 3, 4] {
        qa.clone().call(ask()).await.unwrap();
        assert_eq!(lm.calls(), calls);
    }
    qa.set_lm(&lm.lm());
    qa.call(ask()).await.unwrap();
    assert_eq!(lm.calls(), 6);
}

#[tokio::test]
async fn a_rung_that_was_refused_when_asking_again_is_not_tried_again_either() {
    let lm = ScriptedLm::computed(|request| match &request.response_format {
        Some(ResponseFormat::JsonSchema { .. }) => failure(ErrorKind::BadRequest),
        Some(_) => Reply::text(r#"{"answer": "Paris"}"#),
        None => Reply::text("no marker at all"),
    });
    let qa = qa(&lm);
    // The markers, the refused schema, the object; then without the schema.
    for calls in [3, 5, 7] {
        assert_eq!(qa.call(ask()).await.unwrap().answer, "Paris");
        assert_eq!(lm.calls(), calls);
    }
}

#[tokio::test]
async fn a_provider_that_refuses_every_rung_is_a_bad_request() {
    let lm = ScriptedLm::computed(|_| failure(ErrorKind::BadRequest));
    let error = qa(&lm).adapter(JsonAdapter).call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), lm.calls()), (ErrorKind::BadRequest, 3));
}

#[tokio::test]
async fn an_error_that_is_no_bad_request_does_not_go_down_the_ladder() {
    for kind in [ErrorKind::Auth, ErrorKind::RateLimited, ErrorKind::ContextLength, ErrorKind::Server] {
        let lm = ScriptedLm::computed(move |_| failure(kind));
        assert_eq!(qa(&lm).adapter(JsonAdapter).call(ask()).await.unwrap_err().kind(), kind);
        assert_eq!(lm.calls(), 1);
    }
}

#[tokio::test]
async fn the_schema_that_is_sent_has_every_output_field_and_nothing_else() {
    let lm = ScriptedLm::new([Reply::text(r#"{"stars": 5, "summary": "good", "author": null}"#)]);
    review(&lm).adapter(JsonAdapter).call(text()).await.unwrap();
    let Some(ResponseFormat::JsonSchema { name, schema, strict, .. }) =
        lm.requests()[0].response_format.clone()
    else {
        panic!("no schema")
    };
    assert_eq!((name.as_str(), strict), ("Review", true));
    assert_eq!(schema["required"], json!(["stars", "summary", "author"]));
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[tokio::test]
async fn every_call_is_in_the_trace_and_in_the_usage() {
    let lm =
        ScriptedLm::new([Reply::text("what?").usage(tokens(10, 1)), reply("Paris").usage(tokens(20, 2))]);
    let prediction = qa(&lm).call(ask()).await.unwrap();
    let step = &prediction.trace().steps()[0];
    let calls: Vec<_> = step.calls().iter().map(|call| (call.adapter(), call.mode(), call.lm())).collect();
    assert_eq!(calls, [("chat", "prompt", "scripted"), ("json", "json_schema", "scripted")]);
    assert!(step.calls()[0].error().unwrap().is_parse() && step.calls()[1].error().is_none());
    assert_eq!(step.calls()[0].usage(), tokens(10, 1));
    assert_eq!((step.usage().calls, step.usage().total_tokens()), (2, 33));
    assert_eq!(prediction.usage(), step.usage());
}

#[tokio::test]
async fn a_failed_call_counts_as_a_call() {
    let lm = ScriptedLm::new([failure(ErrorKind::Server), reply("1")]);
    let best = BestOfN::new(qa(&lm), 2, number).call(ask()).await.unwrap();
    assert_eq!((best.rollouts()[0].usage().calls, best.usage().calls), (1, 2));
}

#[tokio::test]
async fn a_mistake_of_a_setter_is_an_error_before_anything_is_sent() {
    let lm = answers(["1"]);
    let base = Predict::<Qa>::new().lm(&lm.lm().base_url("http://localhost"));
    let error = base.call(ask()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("base_url"), "{error}");
    assert_eq!(lm.calls(), 0);
}

#[tokio::test]
async fn a_rollout_id_at_temperature_0_is_warned_of_once() {
    let warnings = Warnings::default();
    let _guard = warnings.collect();
    let lm = echo_id();
    let handle = lm.lm();
    let module = || Predict::<Qa>::new().lm(&handle);
    BestOfN::new(module(), 3, number).call(ask()).await.unwrap();
    assert!(warnings.texts().is_empty(), "temperature 1 needs no warning");
    BestOfN::new(module().temperature(0.0), 3, number).call(ask()).await.unwrap();
    BestOfN::new(module().temperature(0.0), 3, number).call(ask()).await.unwrap();
    let warned = warnings.texts();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("temperature 0") && warned[0].contains("scripted"), "{warned:?}");
    assert_eq!(temperatures(&lm).len(), 9);
}

#[tokio::test]
async fn an_adapter_can_be_chosen_per_predictor() {
    let lm = ScriptedLm::new([Reply::text("{\"answer\": \"[[ ## answer ## ]]\"}"), reply("Paris")]);
    let json = qa(&lm).adapter(JsonAdapter);
    assert_eq!(json.call(ask()).await.unwrap().answer, "[[ ## answer ## ]]");
    assert_eq!(json.adapter(ChatAdapter).call(question("?")).await.unwrap().answer, "Paris");
    assert!(whole(&lm.requests()[0]).contains("JSON object"));
}
