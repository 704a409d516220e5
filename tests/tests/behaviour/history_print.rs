//! The printed history: its format, and that nothing in it controls a terminal.

use std::io;
use std::time::Duration;

use karat::{
    BestOfN, Error, ErrorKind, LanguageModel, Lm, Module, OnParseError, Predict, Reply, Result, ScriptedLm,
    lm::{BoxFuture, Caller, CallerId, Completion, Finish, Message, Request, Response, Role},
};
use tokio::time::timeout;

use crate::support::{Echo, Qa, ask, failure, hi, millis, texts, tokens};

#[tokio::test]
async fn no_control_character_reaches_the_terminal() {
    let hostile =
        "a\x1b[2J\x1b]0;title\x07b\u{9b}31m\rc\u{202e}d\x08\x7f\0\nMon, 01 Jan 2001 00:00:00 GMT  forged\n";
    let completion =
        Completion::new(hostile).finish(Finish::Other(hostile.into())).refusal(hostile).reasoning(hostile);
    struct Hostile(Response, String);
    impl LanguageModel for Hostile {
        fn name(&self) -> &str {
            &self.1
        }
        fn call<'a>(
            &'a self,
            request: &'a Request,
            _: Option<&'a mut karat::lm::Sink<'a>>,
        ) -> BoxFuture<'a, Result<Response>> {
            let failed = request.config.seed.is_some();
            Box::pin(async move {
                if failed { Err(Error::new(ErrorKind::Other, self.1.clone())) } else { Ok(self.0.clone()) }
            })
        }
    }
    let response = Response::new(vec![completion; 2]).model(hostile);
    let lm = Lm::custom(Hostile(response, hostile.into())).param(hostile, 1);
    for lm in [lm.clone(), lm.clone().seed(1)] {
        let mut request = hi(hostile);
        request.config.stop.push(hostile.into());
        let _ = lm.complete_for(Caller::new(hostile, CallerId::unique()), request).await;
    }
    let mut out = Vec::new();
    lm.inspect_history_to(9, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains('\u{241b}') && text.contains("<U+009B>"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}'));
    // Only the two headings begin at the margin: no text forges a third.
    let is_heading = |line: &&str| !line.is_empty() && !line.starts_with("  ");
    assert_eq!(text.lines().filter(is_heading).count(), 2, "{text}");
    assert!(text.lines().filter(is_heading).all(|line| line.contains(" GMT  a\u{241b}")), "{text}");
}

#[tokio::test]
async fn the_last_n_are_written_to_any_writer_and_its_error_is_returned() {
    let lm = Lm::custom(Echo);
    for text in ["one", "two", "three"] {
        lm.complete(hi(text)).await.unwrap();
    }
    for (n, expected) in [(0, 0), (1, 1), (2, 2), (3, 3), (usize::MAX, 3)] {
        let mut out = Vec::new();
        lm.inspect_history_to(n, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().matches("answer:").count(), expected);
        assert_eq!(lm.history().last(n).len(), expected);
    }
    assert_eq!(texts(&lm.history().last(2)), ["two", "three"]);

    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let writer: &mut dyn io::Write = &mut Full;
    assert_eq!(lm.inspect_history_to(1, writer).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[tokio::test(start_paused = true)]
async fn the_printed_history_is_this_text() {
    let script = ScriptedLm::computed(|request| match request.config.rollout_id {
        Some(0) => Reply::text("[[ ## answer ## ]]\nParis \x1b[31mred\x1b[0m\n")
            .and(Reply::refusal("I would rather not."))
            .finish(Finish::Length)
            .usage(tokens(12, 5).cached_tokens(8).reasoning_tokens(2))
            .delay(millis(1200)),
        _ => failure(ErrorKind::Server).delay(Duration::from_millis(30)),
    });
    let lm = script.lm().max_tokens(300).param("top_k", 5);
    let qa = Predict::<Qa>::new().lm(&lm).stop("\n\n").on_parse_error(OnParseError::Fail);
    let _ = BestOfN::new(qa, 2, |_, _| 0.0).temperature(0.7).call(ask()).await;
    let mut talk = hi("hi");
    talk.prompt.push(Message::new(Role::Assistant, "hello"));
    drop(timeout(millis(5), lm.clone().rollout_id(1).complete(talk)).await);
    let mut out = Vec::new();
    lm.inspect_history_to(3, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut shown = String::new();
    for line in text.lines() {
        // The time of the test itself.
        let is_heading = !line.starts_with(' ');
        let at = line.find(" GMT  ").filter(|_| is_heading).map_or(0, |end| end + 4);
        shown += if at > 0 { "<time>" } else { "" };
        shown += &format!("{}\n", &line[at..]);
    }
    insta::assert_snapshot!(shown);
}
