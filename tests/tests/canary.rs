//! A key goes to its server and nowhere else: every surface of karat is called with a recognizable key, with success and with
//! failures, and every byte that any of them wrote is searched for the key.
//!
//! The work is done in a child process, so that its printed output is searched too.

#[path = "canary/needles.rs"]
mod needles;
#[path = "canary/output.rs"]
mod output;
#[path = "canary/servers.rs"]
mod servers;
#[path = "log/mod.rs"]
mod spans_and_events;

use std::{fmt::Debug, panic::Location, path::Path, process::Command, time::Duration};

use karat::{
    BestOfN, Cache, ChainOfThought, Error, Limits, Lm, Module, Predict, Prediction, Refine, Result, Retry,
    lm::{BoxFuture, Caller, CallerId, Layer, Message, Replay, Request, Response},
    signature,
};
use needles::Needles;
use output::Output;
use servers::{CASES, Servers};

/// The key: it has characters that JSON, URLs and base64 each write differently.
const KEY: &str = "sk-proj-CaNaRy/7f3aQ+x9_Zw=Kp4t8Tn2vB6";

const CHILD: &str = "KARAT_CANARY";

/// The variable that says how the child gives the key to its LMs.
const HOW: &str = "KARAT_CANARY_HOW";

/// The ways to give the key, as API key, as a header of the LM and as a header of each request; each with the header in which
/// the server gets it.
const WAYS: [(&str, &str); 3] = [("key", "authorization"), ("header", "x-gateway"), ("extra", "x-gateway")];

fn way() -> (&'static str, &'static str) {
    let how = std::env::var(HOW).unwrap();
    WAYS.into_iter().find(|(way, _)| *way == how).unwrap()
}

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn ask() -> QaInput {
    QaInput { question: "Capital of France?".into() }
}

#[test]
fn a_key_is_in_no_output_of_any_surface() {
    std::thread::scope(|scope| {
        for (way, _) in WAYS {
            scope.spawn(move || a_secret_is_in_no_output(way));
        }
    });
}

fn a_secret_is_in_no_output(way: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", "all_surfaces", "--nocapture"])
        .env(CHILD, folder.path())
        .env(HOW, way);
    let output = child.env_remove("NO_COLOR").output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let needles = Needles::of(KEY);
    needles.search("what the process printed", &output.stdout);
    needles.search("what the process printed as errors", &output.stderr);
    assert!(output.status.success() && out.contains("1 passed"), "{out}{error}");
    // The child did print a history and panics.
    assert!(out.contains("Capital of France?") && error.contains("panicked"), "{out}{error}");
    let files = needles.search_files(folder.path());
    for kind in [".entry", "record.jsonl", "state.json", "program/", "surfaces.txt"] {
        assert!(files.iter().any(|file| file.contains(kind)), "{kind} is missing among {files:?}");
    }
}

#[tokio::test]
#[ignore = "the test above runs it in a process of its own"]
async fn all_surfaces() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = Path::new(&folder);
    let output = Output::of_the_process();
    let servers = Servers::start(KEY).await;
    for case in CASES {
        let lm = lm(&servers.address(case), folder);
        output.add(case, format!("{lm:?} {lm:#?} {}", lm.name()));
        every_way_to_call(&output, case, &lm).await;
        keep(&output, case, &lm, &folder.join(case));
    }
    addresses_that_hold_the_key(&output, folder).await;
    panics(&output, &lm(&servers.address("good"), folder)).await;
    if way().0 == "key" {
        another_key_finds_the_same_entry(&servers, folder).await;
    }
    servers.assert_key_went_only_where_it_should().await;
    output.assert_heard();
    std::fs::write(folder.join("surfaces.txt"), output.text()).unwrap();
}

fn lm(address: &str, folder: &Path) -> Lm {
    let retry = Retry::new().attempts(2).backoff(Duration::from_millis(1), Duration::from_millis(2));
    let lm = Lm::new("openai/gpt-x").unwrap().base_url(address);
    let lm = match way() {
        ("key", _) => lm
            .api_key(KEY)
            .param("extra_headers", serde_json::json!({"authorization": format!("Bearer {KEY}")})),
        ("header", name) => {
            lm.api_key("another").header(name, KEY).header("x-cookie", format!("a=b; session={KEY}"))
        }
        (_, name) => lm.api_key("another").param("extra_headers", serde_json::json!({ name: KEY })),
    };
    lm.deadline(Duration::from_secs(20))
        .retry(retry)
        .limits(Limits::new().concurrency(8))
        .cache(Cache::disk(folder.join("cache")))
        .record(folder.join("record.jsonl"))
        .record_content(true)
        .param("nested", serde_json::json!({"deep": [{"api_key": KEY}]}))
}

/// Each surface twice: the second time a cache may answer.
async fn every_way_to_call(output: &Output, case: &str, lm: &Lm) {
    let qa = Predict::<Qa>::new().lm(lm);
    let think = ChainOfThought::<Qa>::new().lm(lm);
    let request = || Request::new(vec![Message::system("be brief"), Message::user("hi")]);
    output.add(case, format!("{qa:?} {qa:#?} {:?} {:#?}", request(), request()));
    for _ in 0..2 {
        output.outcome(case, qa.call(ask()).await);
        output.outcome(case, think.call(ask()).await);
        output.outcome(case, qa.stream(ask()).finish().await);
        let batch = qa.batch((0..3).map(|_| ask())).concurrency(3).await;
        output.add(case, format!("{batch:?} {batch:#?}"));
        batch.errors().for_each(|(_, error)| output.error(case, error));
        let best = BestOfN::new(qa.clone(), 2, |_, _| 0.5).concurrency(2);
        output.outcome(case, best.call(ask()).await);
        let refine = Refine::new(think.clone(), 2, |_: &QaInput, _: &Prediction<_>| 0.5);
        output.outcome(case, refine.call(ask()).await);
        output.response(case, lm.complete(request()).await);
        let me = || Caller::new("me", CallerId::unique());
        let sink = &mut |delta: karat::lm::Delta<'_>| output.add(case, format!("{delta:?}"));
        output.response(case, lm.stream_for(me(), request(), sink).await.map(|response| (*response).clone()));
    }
}

/// Searches what calls leave behind: histories, states, programs.
fn keep(output: &Output, case: &str, lm: &Lm, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let program = Refine::new(ChainOfThought::<Qa>::new().lm(lm), 2, |_: &QaInput, _: &Prediction<_>| 0.5);
    let state = program.dump_state();
    output.add(case, format!("{state:?} {state:#?} {}", serde_json::to_string(&state).unwrap()));
    program.save(folder.join("state.json")).unwrap();
    program.save_program(folder.join("program")).unwrap();
    output.add(case, format!("{:?} {:#?}", program.program(), lm.history()));
    let mut out = Vec::new();
    lm.inspect_history_to(100, &mut out).unwrap();
    output.add(case, format!("{} {}", lm.history(), String::from_utf8(out).unwrap()));
    lm.inspect_history(9);
}

/// A key in the address is refused where it would be sent in clear; where it is accepted, it is shown nowhere.
async fn addresses_that_hold_the_key(output: &Output, folder: &Path) {
    let escaped = needles::percent_encoded(KEY);
    for address in [
        format!("http://127.0.0.1:1/v1?api-key={escaped}"),
        format!("http://me:{escaped}@127.0.0.1:1/v1"),
        format!("http://{escaped}@127.0.0.1:1/v1"),
        format!("https://karat.invalid/v1?token={escaped}#{escaped}"),
        format!("me:{escaped}@127.0.0.1:1/v1"),
        format!("ftp://{escaped}/v1"),
    ] {
        let lm = lm(&address, folder);
        output.add("address", format!("{lm:?} {lm:#?}"));
        output.outcome("address", Predict::<Qa>::new().lm(&lm).call(ask()).await);
        output.add("address", lm.history().to_string());
        let program = Predict::<Qa>::new().lm(&lm);
        output.add("address", serde_json::to_string(&program.dump_state()).unwrap());
    }
    let lm = lm("http://127.0.0.1:1/v1", folder);
    for broken in [
        lm.clone().api_key(format!("{KEY}\n\u{1F600}{KEY}")),
        lm.clone().header("x-a", format!("{KEY}\n{KEY}")),
        lm.clone().header(format!("Bearer {KEY}"), "authorization"),
        lm.clone().param("extra_headers", serde_json::json!({"x-a": format!("{KEY}\n")})),
        lm.param("extra_headers", serde_json::json!([KEY])),
    ] {
        output.add("no header", format!("{broken:?}"));
        output.outcome("no header", Predict::<Qa>::new().lm(&broken).call(ask()).await);
    }
}

/// A layer that panics with its request as text.
struct Panicking;

impl Layer for Panicking {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
        next: karat::lm::Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        panic!("at {}: {} {next:?} {request:?} {request:#?}", Location::caller(), next.identity());
    }
}

async fn panics(output: &Output, lm: &Lm) {
    let qa = Predict::<Qa>::new().lm(&lm.clone().layer(Panicking));
    let batch = qa.batch([ask()]).await;
    output.add("panic", format!("{batch:?} {batch:#?}"));
    output.outcome("panic", BestOfN::new(qa, 2, |_, _| 0.5).call(ask()).await);
    let shown = lm.clone();
    let reward = move |input: &QaInput, prediction: &Prediction<QaOutput>| -> f64 {
        panic!("{input:?} {prediction:?} {shown:?} {:?}", shown.history());
    };
    output.outcome("panic", BestOfN::new(Predict::<Qa>::new().lm(lm), 2, reward).call(ask()).await);
}

/// The names and contents of a cache's files depend on the request alone, not on the key.
async fn another_key_finds_the_same_entry(servers: &Servers, folder: &Path) {
    let folder = folder.join("two keys");
    let with = |key: &str| {
        let lm = Lm::new("openai/gpt-x").unwrap().base_url(servers.address("good")).api_key(key);
        // Without memory, so that the second call must find the first one's file.
        Predict::<Qa>::new().lm(&lm.cache(Cache::disk(&folder).entries(0)))
    };
    with(KEY).call(ask()).await.unwrap();
    let files = needles::files(&folder);
    let again = with("sk-another").call(ask()).await.unwrap();
    assert_eq!((again.usage().cached_calls, files.len()), (1, 1));
    assert_eq!(needles::files(&folder), files);
    let replayed = Replay::from_file(folder.with_file_name("record.jsonl")).unwrap();
    assert!(replayed.unused().iter().all(|request| !format!("{request:?}").contains(KEY)));
}

/// All texts of an error and its sources.
fn error_text(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?} {:?}", error.completion(), error.outputs());
    text += &format!("{:?} {:#?} {:?}", error.rollouts(), error.trace(), error.usage());
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text += &format!("{inner} {inner:?} {inner:#?}");
        source = inner.source();
    }
    text
}

/// All texts of a prediction.
fn prediction_text<O: Debug>(prediction: &Prediction<O>) -> String {
    let mut text = format!("{prediction:?} {prediction:#?} {:?}", prediction.trace());
    for step in prediction.trace().steps() {
        text += &serde_json::json!({"inputs": step.inputs(), "outputs": step.outputs()}).to_string();
        text += &step.calls().iter().map(|call| format!("{call:?} {}", call.lm())).collect::<String>();
    }
    text += &prediction.rollouts().iter().map(|rollout| format!("{rollout} {rollout:?}")).collect::<String>();
    text
}
