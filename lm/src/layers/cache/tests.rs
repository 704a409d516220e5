//! Requests with colliding keys, which SHA-256 does not give.

use crate::{
    Lm,
    data::Message,
    testing::{Reply, ScriptedLm},
};
use std::time::Duration;

use super::*;

fn hi(text: &str) -> Request {
    Request::new(vec![Message::user(text)])
}

async fn text(lm: &Lm, text: &str) -> String {
    lm.complete(hi(text)).await.unwrap().completions.remove(0).text
}

/// A model that repeats what it is asked, with a cache in which everything has one key.
fn colliding(cache: Cache) -> (ScriptedLm, Lm, Cache) {
    let bounds = cache.shared.bounds;
    let cache = Cache::with(bounds, cache.shared.disk.as_ref().map(Disk::folder), |_, _, _| [7; 32]);
    let model = ScriptedLm::computed(|request| request.prompt.last().to_owned());
    let lm = model.lm().cache(cache.clone());
    (model, lm, cache)
}

#[tokio::test]
async fn two_requests_with_one_key_get_their_own_answers() {
    let (model, lm, cache) = colliding(Cache::memory());
    for (ask, calls) in [("one", 1), ("one", 1), ("two", 2), ("two", 2), ("one", 3)] {
        assert_eq!((text(&lm, ask).await.as_str(), model.calls()), (ask, calls));
    }
    assert_eq!((cache.stats().hits, cache.stats().entries), (2, 1));
}

#[tokio::test]
async fn two_models_with_one_key_get_their_own_answers() {
    let (_, lm, cache) = colliding(Cache::memory());
    text(&lm, "one").await;
    let other = ScriptedLm::new(["of another"]).named("another").lm().cache(cache);
    assert_eq!(text(&other, "one").await, "of another");
}

#[tokio::test]
async fn two_simultaneous_requests_with_one_key_get_their_own_answers() {
    let (model, lm, cache) = colliding(Cache::memory());
    let texts = tokio::join!(text(&lm, "one"), text(&lm, "two"), text(&lm, "one"));
    assert_eq!(texts, ("one".into(), "two".into(), "one".into()));
    assert!(model.calls() >= 2);
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn two_simultaneous_models_with_one_key_get_their_own_answers() {
    let (_, _, cache) = colliding(Cache::memory());
    let lm = |name: &str| {
        let slow = Reply::text(name).delay(Duration::from_millis(100));
        ScriptedLm::new([slow]).named(name).lm().cache(cache.clone())
    };
    let (one, two) = (lm("one"), lm("two"));
    assert_eq!(tokio::join!(text(&one, "hi"), text(&two, "hi")), ("one".into(), "two".into()));
}

#[tokio::test]
async fn two_requests_with_one_key_get_their_own_answers_on_disk() {
    let folder = std::env::temp_dir().join(format!("karat-collide-{}", std::process::id()));
    for (ask, calls) in [("one", 1), ("one", 0), ("two", 1), ("one", 1)] {
        let (model, lm, _) = colliding(Cache::disk(&folder));
        assert_eq!((text(&lm, ask).await.as_str(), model.calls()), (ask, calls));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_key_does_not_change_by_accident() {
    let mut request = hi("hi");
    request.config.temperature = Some(0.5);
    request.config.params.insert("top_k".into(), 5.into());
    // A change of the key needs new versions in `key` and in `file`.
    let expected = "3b86cb4956703bed28c45400b0a8bbc2e148193e4110d77aea85cf4d9184aee9";
    assert_eq!(disk::hex(&key(&Prefixes::default(), "openai/x", &request)), expected);
}

#[test]
fn a_prompt_has_one_key_whether_or_not_its_prefix_is_shared_or_known() {
    let messages =
        || vec![Message::system("s".repeat(600)), Message::user("u".repeat(600)), Message::user("hi")];
    let prefixes = Prefixes::default();
    let flat = key(&prefixes, "m", &Request::new(messages()));
    for length in 0..=3 {
        let mut tail = messages();
        let prefix: Arc<[Message]> = tail.drain(..length).collect();
        for _ in 0..20 {
            let mut prompt = crate::Prompt::new(prefix.clone());
            tail.iter().for_each(|message| prompt.push(message.clone()));
            assert_eq!(key(&prefixes, "m", &Request::new(prompt)), flat, "{length}");
        }
    }
    // More than are remembered, each dropped before the next one, which may get its address.
    for number in 0..100 {
        let text = format!("{number}").repeat(600);
        let request = || Request::new(crate::Prompt::new([Message::system(text.as_str())].into()));
        let alone = key(&Prefixes::default(), "m", &request());
        assert_eq!(key(&prefixes, "m", &request()), alone);
    }
}
