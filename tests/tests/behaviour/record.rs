//! Recordings: what is recorded, what is not, and replays.

use std::{fs, path::Path, time::Duration};

use karat::{
    BestOfN, Cache, Error, ErrorKind, Lm, Module, Predict, Reply, ScriptedLm,
    lm::{Finish, Message, Replay, Request},
};
use serde_json::{Value, json};

use crate::support::*;

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn recording() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    (folder, path)
}

#[tokio::test]
async fn a_program_behaves_on_its_recording_as_on_the_model() {
    let (_folder, path) = recording();
    let run = async |lm: Lm| {
        let best = BestOfN::new(Predict::<Qa>::new().lm(&lm), 4, number).threshold(2.0);
        let best = best.call(ask()).await.unwrap();
        (best.answer.clone(), rewards(best.rollouts()), best.usage())
    };
    let live = run(echo_id().named("openai/x").lm().record(&path)).await;
    let replay = Replay::from_file(&path).unwrap();
    assert_eq!(replay.unused().len(), 3);
    assert_eq!(replay.lm().name(), "openai/x");
    assert_eq!(run(replay.lm()).await, live);
    assert!(replay.unused().is_empty());
    // The recording is used up, and another call is an error that says so.
    let error = Predict::<Qa>::new().lm(&replay.lm()).call(ask()).await.unwrap_err();
    assert!(error.is_config() && error.is_permanent(), "{error}");
}

#[tokio::test]
async fn equal_requests_get_their_outcomes_in_order_errors_included() {
    let (_folder, path) = recording();
    let limited = Error::new(ErrorKind::RateLimited, "slow down")
        .with_status(429)
        .with_retry_after(Duration::from_millis(1_500));
    let broken = Reply::text("hal").cut(Error::new(ErrorKind::Connect, "the connection broke"));
    let replies =
        [Reply::error(limited), broken, Reply::text("cut").finish(Finish::Length), Reply::refusal("no")];
    let live = ScriptedLm::new(replies).lm().record(&path);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(live.complete(hi("hi")).await);
    }
    let replay = Replay::from_file(&path).unwrap().lm();
    for expected in outcomes {
        match (expected, replay.complete(hi("hi")).await) {
            (Ok(expected), found) => assert_eq!(found.unwrap(), expected),
            (Err(expected), found) => {
                let found = found.unwrap_err();
                let facts = |error: &Error| {
                    let (kind, text) = (error.kind(), error.to_string());
                    (kind, text, error.status(), error.retry_after(), error.completion().map(str::to_owned))
                };
                assert_eq!(facts(&found), facts(&expected));
            }
        }
    }
    let error = replay.complete(hi("hi")).await.unwrap_err();
    assert!(error.to_string().contains("not as often as it is asked"), "{error}");
}

#[tokio::test]
async fn an_unrecorded_request_is_an_error_that_names_the_nearest_one() {
    let (_folder, path) = recording();
    let live = ScriptedLm::computed(|_| Reply::text("x")).lm().record(&path).temperature(0.5);
    let of = |text: &str| Request::new(vec![Message::system("Be brief."), Message::user(text)]);
    for text in ["Tell me a joke about cats.", "What is the capital city of France?", "1 + 1?"] {
        live.complete(of(text)).await.unwrap();
    }
    let replay = Replay::from_file(&path).unwrap();
    let lm = replay.lm().temperature(0.5);
    let error = |lm: &Lm, request: Request| {
        let lm = lm.clone();
        async move { lm.complete(request).await.unwrap_err() }
    };
    let words = error(&lm, of("What is the capital city of Spain?")).await;
    assert!(words.is_config());
    for part in ["calls.jsonl", "line 2", "`prompt[1].content`", "France?`", "Spain?`"] {
        assert!(words.to_string().contains(part), "{part}: {words}");
    }
    let words = error(&lm.clone().temperature(0.7), of("1 + 1?")).await.to_string();
    assert!(words.contains("line 3") && words.contains("`config.temperature`"), "{words}");
    assert!(words.contains("`0.5` was recorded and `0.7` is asked"), "{words}");
    let words = error(&lm.clone().param("top_k", 5), of("1 + 1?")).await.to_string();
    assert!(words.contains("`params`") && words.contains("nothing was recorded"), "{words}");
    let words = error(&lm, Request::new(vec![])).await.to_string();
    assert!(words.contains("prompt[0]"), "{words}");
    assert_eq!(replay.unused().len(), 3);
}

#[tokio::test]
async fn secrets_are_neither_recorded_nor_compared_in_a_replay() {
    let (_folder, path) = recording();
    let with = |lm: Lm, secret: &str| {
        lm.param("extra_headers", json!({"authorization": secret})).param("user", json!({"token": secret}))
    };
    with(ScriptedLm::new(["hello"]).lm().record(&path), "sk-canary").complete(hi("hi")).await.unwrap();
    // A server that does not run: its error would show the key if anything did.
    let real =
        Lm::new("openai/x").unwrap().api_key("sk-canary-2").base_url("http://127.0.0.1:9/v1?key=sk-canary-3");
    real.record(&path).complete(hi("ho")).await.unwrap_err();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("extra_headers") && text.contains("http://127.0.0.1:9/v1"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    let replay = Replay::from_file(&path).unwrap();
    assert!(!format!("{replay:?}{:?}", replay.unused()).contains("canary"));
    with(replay.lm(), "another").complete(hi("hi")).await.unwrap();
    assert!(replay.lm().complete(hi("ho")).await.unwrap_err().is_connect());
}

#[cfg(unix)]
#[tokio::test]
async fn a_recording_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = recording();
    ScriptedLm::new(["hello"]).lm().record(&path).complete(hi("hi")).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn simultaneous_calls_of_several_handles_write_whole_lines() {
    let (_folder, path) = recording();
    let model = ScriptedLm::computed(|request| Reply::text(request.prompt.last()));
    let handles: Vec<_> = (0..4).map(|_| model.lm().record(&path)).collect();
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let lm = handles[index % 4].clone();
            tokio::spawn(async move { lm.complete(hi(&format!("{index} ").repeat(2_000))).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(lines(&path).len(), 200);
    assert_eq!(Replay::from_file(&path).unwrap().unused().len(), 200);
}

#[tokio::test]
async fn answers_of_a_cache_are_not_recorded() {
    let (_folder, path) = recording();
    let lm = ScriptedLm::new(["hello"]).lm().record(&path).cache(Cache::memory());
    for _ in 0..5 {
        lm.complete(hi("hi")).await.unwrap();
    }
    assert_eq!(lines(&path).len(), 1);
    // So the replay needs a cache too.
    let replay = Replay::from_file(&path).unwrap();
    let lm = replay.lm().cache(Cache::memory());
    for _ in 0..5 {
        assert_eq!(lm.complete(hi("hi")).await.unwrap().completions[0].text, "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_recorded_whole_with_its_time_and_a_dropped_call_is_not() {
    let (_folder, path) = recording();
    let replies = [Reply::pieces(["he", "llo"]).pace(millis(700)), Reply::text("late").delay(millis(700))];
    let lm = ScriptedLm::new(replies).lm().record(&path);
    let caller = karat::lm::Caller::new("me", karat::lm::CallerId::unique());
    lm.stream_for(caller.clone(), hi("hi"), &mut |_| {}).await.unwrap();
    tokio::time::timeout(millis(100), lm.complete(hi("hi"))).await.unwrap_err();
    let lines = lines(&path);
    assert_eq!((lines.len(), &lines[0]["elapsed_ms"]), (1, &json!(1_400)));
    let mut heard = Vec::new();
    let replay = Replay::from_file(&path).unwrap().lm();
    replay.stream_for(caller, hi("hi"), &mut |delta| heard.push(delta.text.to_owned())).await.unwrap();
    assert_eq!(heard, ["hello"]);
}

#[tokio::test]
async fn a_recording_that_cannot_be_written_is_an_error_of_the_first_call() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("none/calls.jsonl")] {
        let lm = ScriptedLm::new(["hello"]).lm().record(&path);
        let error = lm.complete(hi("hi")).await.unwrap_err();
        assert!(error.is_io() && error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(Replay::from_file(&path).unwrap_err().is_io());
    }
}

#[tokio::test]
async fn an_invalid_line_of_a_recording_is_named() {
    let (_folder, path) = recording();
    ScriptedLm::new(["hello"]).lm().record(&path).complete(hi("hi")).await.unwrap();
    let good = fs::read_to_string(&path).unwrap();
    for (bad, words) in [
        ("{}", "missing field"),
        ("nonsense", "expected"),
        (&good[..100], "EOF"),
        (&good.replace("\"karat_recording\":1", "\"karat_recording\":2"), "version 2"),
        (&good.replace("\"response\":", "\"other\":"), "either a response or an error"),
    ] {
        fs::write(&path, format!("{good}\n{bad}")).unwrap();
        let error = Replay::from_file(&path).unwrap_err();
        assert!(error.is_state(), "{error}");
        assert!(
            error.to_string().contains("line 3") && error.to_string().contains(words),
            "{words}: {error}"
        );
    }
    // A truncated line before the next recording: the lines stay apart.
    fs::write(&path, &good[..100]).unwrap();
    ScriptedLm::new(["hello"]).lm().record(&path).complete(hi("hi")).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines.len() == 2 && lines[0] == &good[..100] && lines[1].starts_with("{\"karat_recording\""),
        "{text}"
    );
}
