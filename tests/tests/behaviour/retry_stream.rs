//! Streams that fail: retried only until their first piece, and the text that is left of them.

use std::sync::Arc;

use karat::{
    Error, ErrorKind, LanguageModel, Lm, Module, Predict, Reply, Result, ScriptedLm,
    lm::{BoxFuture, Caller, CallerId, Delta, Request, Response, Sink, Timeouts},
};

use crate::{
    retry::{at_once, seconds},
    support::{Qa, ask, hi, millis, server_error},
};

/// Streams a call; returns its pieces and its outcome.
async fn stream(lm: &Lm) -> (Vec<String>, Result<Arc<Response>>) {
    let mut pieces = Vec::new();
    let caller = Caller::new("me", CallerId::unique());
    let outcome = lm.stream_for(caller, hi("hi"), &mut |delta| pieces.push(delta.text.to_owned())).await;
    (pieces, outcome)
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_retried_only_until_its_first_piece() {
    let script = ScriptedLm::new([server_error(), Reply::pieces(["Pa", "ris"])]);
    let (pieces, outcome) = stream(&script.lm().retry(at_once())).await;
    assert_eq!((pieces, outcome.unwrap().usage.calls), (vec!["Pa".to_owned(), "ris".into()], 2));

    let cut = Reply::pieces(["Pa", "ri"]).cut(Error::new(ErrorKind::Connect, "broke"));
    let script = ScriptedLm::new([cut, Reply::text("Paris")]);
    let (pieces, outcome) = stream(&script.lm().retry(at_once())).await;
    let error = outcome.unwrap_err();
    assert_eq!((pieces, script.calls()), (vec!["Pa".to_owned(), "ri".into()], 1));
    assert_eq!((error.kind(), error.completion()), (ErrorKind::Connect, Some("Pari")));
    assert!(error.to_string().contains("a part of the answer was already streamed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_middle_of_a_stream_leaves_the_text_so_far() {
    let script = ScriptedLm::new([Reply::pieces(["Pa", "ris", " it is"]).pace(seconds(2))]);
    let (pieces, outcome) = stream(&script.lm().retry(at_once()).deadline(seconds(5))).await;
    let error = outcome.unwrap_err();
    assert_eq!((pieces.len(), error.completion(), error.is_timeout()), (2, Some("Paris"), true));
    assert!(error.to_string().contains("in the middle of the answer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_a_stream_runs_into_no_timeout() {
    let words: String = (0..30).map(|word| format!("word{word} ")).collect();
    let text = format!("[[ ## answer ## ]]\n{}\n\n[[ ## completed ## ]]", words.trim_end());
    let pieces: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    let script = ScriptedLm::new([Reply::pieces(pieces).pace(millis(10))]);
    let lm = script.lm().retry(at_once()).deadline(seconds(5)).timeouts(Timeouts::new().attempt(seconds(4)));
    let mut stream = Predict::<Qa>::new().lm(&lm).stream(ask());
    let mut events = 0;
    while let Some(event) = stream.next().await {
        event.unwrap();
        events += 1;
        tokio::time::sleep(seconds(60)).await;
    }
    assert!(events > 30, "{events}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_past_its_deadline_keeps_only_the_first_completions_text() {
    struct Stalling;
    impl LanguageModel for Stalling {
        fn name(&self) -> &str {
            "stalling"
        }
        fn call<'a>(
            &'a self,
            _: &'a Request,
            sink: Option<&'a mut Sink<'a>>,
        ) -> BoxFuture<'a, Result<Response>> {
            Box::pin(async {
                let Some(sink) = sink else { return Err(Error::new(ErrorKind::Server, "it only streams")) };
                for delta in [Delta::reasoning(0, "hm"), Delta::text(1, "Rome"), Delta::text(0, "Paris")] {
                    sink(delta);
                }
                std::future::pending().await
            })
        }
    }
    let (pieces, outcome) = stream(&Lm::custom(Stalling).retry(at_once()).deadline(seconds(5))).await;
    assert_eq!((pieces.len(), outcome.unwrap_err().completion()), (3, Some("Paris")));
}
