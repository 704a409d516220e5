//! Requests that have one key, which SHA-256 does not give.

use crate::lm::{Message, ScriptedLm};

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
    let cache = Cache::with(bounds, cache.shared.disk.as_ref().map(Disk::folder), |_, _| [7; 32]);
    let model = ScriptedLm::computed(|request| request.prompt.last().to_owned());
    let lm = model.lm().cache(cache.clone());
    (model, lm, cache)
}

#[tokio::test]
async fn two_requests_with_one_key_are_told_apart() {
    let (model, lm, cache) = colliding(Cache::memory());
    for (ask, calls) in [("one", 1), ("one", 1), ("two", 2), ("two", 2), ("one", 3)] {
        assert_eq!((text(&lm, ask).await.as_str(), model.calls()), (ask, calls));
    }
    assert_eq!((cache.stats().hits, cache.stats().entries), (2, 1));
}

#[tokio::test]
async fn two_models_with_one_key_are_told_apart() {
    let (_, lm, cache) = colliding(Cache::memory());
    text(&lm, "one").await;
    let other = ScriptedLm::new(["of another"]).named("another").lm().cache(cache);
    assert_eq!(text(&other, "one").await, "of another");
}

#[tokio::test]
async fn two_requests_with_one_key_are_told_apart_while_one_is_on_its_way() {
    let (model, lm, cache) = colliding(Cache::memory());
    let texts = tokio::join!(text(&lm, "one"), text(&lm, "two"), text(&lm, "one"));
    assert_eq!(texts, ("one".into(), "two".into(), "one".into()));
    assert!(model.calls() >= 2);
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test]
async fn two_requests_with_one_key_are_told_apart_on_disk() {
    let folder = std::env::temp_dir().join(format!("karat-collide-{}", std::process::id()));
    for (ask, calls) in [("one", 1), ("one", 0), ("two", 1), ("one", 1)] {
        let (model, lm, _) = colliding(Cache::disk(&folder));
        assert_eq!((text(&lm, ask).await.as_str(), model.calls()), (ask, calls));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_digest_is_sha_256() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(disk::hex(&key::sha256(b"abc")), abc);
}

#[test]
fn a_key_does_not_change_from_one_version_of_karat_to_the_next_by_chance() {
    let mut request = hi("hi");
    request.config.temperature = Some(0.5);
    request.config.params.insert("top_k".into(), 5.into());
    // If it is to change, so is the version in `key` and in `file`.
    assert_eq!(disk::hex(&key("openai/x", &request)), "");
}
