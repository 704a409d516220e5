//! The bounds of a history, by entries and by bytes, also with ten tasks at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use karat::{
    Error, ErrorKind, Lm, Module, Predict, Reply, ScriptedLm,
    lm::{CallHistory, Caller, CallerId, HistoryEntry, Message, Prompt, Request},
};

use crate::support::{Echo, Qa, ask, hi, paris, texts};

#[tokio::test]
async fn a_history_is_bounded_by_entries_and_drops_the_oldest_first() {
    for bound in [1, 2, 7] {
        let lm = Lm::custom(Echo).history_limits(bound, usize::MAX);
        for index in 0..20 {
            lm.complete(hi(&index.to_string())).await.unwrap();
            assert_eq!(lm.history().len(), bound.min(index + 1));
        }
        let expected: Vec<_> = (20 - bound..20).map(|index| index.to_string()).collect();
        assert_eq!(texts(&lm.history()), expected);
    }
}

/// The bytes of all texts that a history holds, each shared prefix once.
fn held(history: &CallHistory) -> usize {
    let text = |entry: &Arc<HistoryEntry>| {
        let prompt: usize = entry.prompt().iter().map(|message| message.content.len()).sum();
        let response = entry.response().map_or(0, |response| response.completions[0].text.len());
        prompt + response
    };
    history.iter().map(text).sum()
}

#[tokio::test]
async fn a_history_is_bounded_by_bytes() {
    let lm = Lm::custom(Echo).history_limits(usize::MAX, 100_000);
    for index in 0..200 {
        lm.complete(hi(&"x".repeat(index * 97 % 5_000))).await.unwrap();
        assert!(held(&lm.history()) < 100_000);
        assert!(!lm.history().is_empty());
    }
    // Most of the memory is text, not overhead.
    assert!(held(&lm.history()) > 70_000, "{}", held(&lm.history()));
}

#[tokio::test]
async fn a_shared_prefix_is_counted_once_as_long_as_an_entry_uses_it() {
    let prefix: Arc<[Message]> = [Message::system("s".repeat(50_000))].into();
    let lm = Lm::custom(Echo).history_limits(usize::MAX, 80_000);
    for index in 0..20 {
        let mut prompt = Prompt::new(prefix.clone());
        prompt.push(Message::user(index.to_string()));
        lm.complete(Request::new(prompt)).await.unwrap();
    }
    assert_eq!(lm.history().len(), 20, "20 copies of it would not fit");
    assert_eq!(lm.history()[0].prompt().len(), 2);
    // Unshared prefixes are each counted: only one of them fits.
    for index in 0..3 {
        let mut prompt = Prompt::new([Message::system("t".repeat(50_000))].into());
        prompt.push(Message::user(index.to_string()));
        lm.complete(Request::new(prompt)).await.unwrap();
        assert_eq!(texts(&lm.history()), [index.to_string()]);
    }
}

#[tokio::test]
async fn a_call_that_is_larger_than_the_bound_is_kept_with_its_texts_cut_or_left_out() {
    let lm = Lm::custom(Echo).history_limits(10, 10_000);
    lm.complete(hi("small")).await.unwrap();
    for large in ["x".repeat(1_000_000), "ü".repeat(1_000_000), "\u{1F600}".repeat(100_000)] {
        let answer = lm.complete(hi(&large)).await.unwrap();
        assert_eq!(answer.completions[0].text, large, "what the caller gets is whole");
        let history = lm.history();
        let entry = history.iter().last().unwrap();
        assert!(entry.is_shortened() && entry.prompt().last().contains("characters cut"));
        assert!(held(&history) < 10_000);
        assert!(history.to_string().contains(", shortened"));
    }
    // Not even the frame of an entry fits.
    let tiny = Lm::custom(Echo).history_limits(10, 50);
    tiny.complete(hi(&"x".repeat(1000))).await.unwrap();
    assert!(tiny.history().is_empty());
}

#[tokio::test]
async fn a_large_error_is_kept_shortened_too() {
    let script = ScriptedLm::computed(|_| {
        Reply::error(Error::new(ErrorKind::Server, "e".repeat(100_000)).with_status(500))
    });
    let lm = script.lm().history_limits(10, 10_000);
    let error = lm.complete(hi("x")).await.unwrap_err();
    assert_eq!(error.to_string().len(), 100_000);
    let history = lm.history();
    let kept = history[0].error().unwrap();
    assert!(kept.is_server() && kept.status() == Some(500) && kept.to_string().len() < 10_000);
}

#[tokio::test]
async fn a_history_that_is_off_stores_nothing() {
    let lms = [
        paris().lm().without_history(),
        paris().lm().history_limits(0, 1000),
        paris().lm().history_limits(1000, 0),
    ];
    for lm in lms {
        let qa = Predict::<Qa>::new().lm(&lm);
        qa.call(ask()).await.unwrap();
        lm.complete(hi("x")).await.unwrap();
        assert!(lm.history().is_empty() && qa.history().is_empty());
        let mut out = Vec::new();
        qa.inspect_history_to(3, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "no LM calls\n");
    }
}

#[tokio::test]
async fn a_history_that_is_switched_on_again_starts_empty() {
    let lm = paris().lm();
    lm.complete(hi("a")).await.unwrap();
    let again = lm.without_history().history_limits(10, 1 << 20);
    assert!(again.history().is_empty());
    again.complete(hi("b")).await.unwrap();
    assert_eq!(texts(&again.history()), ["b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_tasks_at_once_lose_no_call_and_mix_none() {
    let lm = Lm::custom(Echo);
    let mut tasks = Vec::new();
    for task in 0..10 {
        let (lm, id) = (lm.clone(), CallerId::unique());
        tasks.push(tokio::spawn(async move {
            for call in 0..50 {
                let caller = Caller::new(format!("task {task}"), id);
                lm.complete_for(caller, hi(&format!("{task}/{call}"))).await.unwrap();
                let _ = lm.history();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let history = lm.history();
    assert_eq!(history.len(), 500);
    assert_eq!(texts(&history).into_iter().collect::<BTreeSet<_>>().len(), 500);
    for entry in &history {
        assert_eq!(entry.response().unwrap().completions[0].text, entry.prompt().last());
        let (task, _) = entry.prompt().last().split_once('/').unwrap();
        assert_eq!(entry.predictor(), Some(format!("task {task}").as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_tasks_at_once_keep_the_bounds() {
    let prefix: Arc<[Message]> = [Message::system("s".repeat(2_000))].into();
    let lm = Lm::custom(Echo).history_limits(20, 30_000);
    let tasks: Vec<_> = (0..10)
        .map(|task| {
            let (lm, prefix) = (lm.clone(), prefix.clone());
            tokio::spawn(async move {
                for call in 0..200 {
                    let mut prompt = Prompt::new(if call % 3 == 0 { [].into() } else { prefix.clone() });
                    prompt.push(Message::user("u".repeat((task * 31 + call * 17) % 900)));
                    lm.complete(Request::new(prompt)).await.unwrap();
                    assert!(lm.history().len() <= 20);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // The counts are right in any order: small calls fill it to its bound in entries.
    for _ in 0..40 {
        lm.complete(hi("x")).await.unwrap();
    }
    assert_eq!(texts(&lm.history()), ["x"; 20]);
}

#[tokio::test]
async fn a_history_stays_as_it_was_when_it_was_taken() {
    let lm = Lm::custom(Echo).history_limits(1, 10_000);
    lm.complete(hi("first")).await.unwrap();
    let history = lm.history();
    lm.complete(hi("second")).await.unwrap();
    assert_eq!((texts(&history), texts(&lm.history())), (vec!["first"], vec!["second"]));
}
