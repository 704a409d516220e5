//! Many equal calls at once: one is sent, whichever is dropped, fails or panics; and their streams.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use karat::{
    Cache, Error, ErrorKind, LanguageModel, Lm, Reply, Result, ScriptedLm,
    lm::{BoxFuture, Caller, CallerId, Completion, Delta, DeltaPart, Finish, Request, Response, Usage},
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_equal_calls_at_once_are_sent_once() {
    let cache = Cache::memory();
    let model = ScriptedLm::new([Reply::text("Paris").delay(millis(500))]);
    let lm = model.lm().cache(cache.clone());
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let lm = lm.clone();
            tokio::spawn(async move { lm.complete(hi("hi")).await.unwrap() })
        })
        .collect();
    let mut usage = Usage::default();
    for task in tasks {
        let response = task.await.unwrap();
        assert_eq!(response.completions[0].text, "Paris");
        usage += response.usage;
    }
    assert_eq!((usage.calls, usage.sent_calls(), model.calls()), (1_000, 1, 1));
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.joined + stats.hits, stats.in_flight), (1, 999, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn equal_calls_on_many_threads_are_sent_once() {
    for _ in 0..50 {
        let model = ScriptedLm::new(["Paris"]);
        let lm = model.lm().cache(Cache::memory());
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let lm = lm.clone();
                tokio::spawn(async move { lm.complete(hi("hi")).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().completions[0].text, "Paris");
        }
        assert_eq!(model.calls(), 1);
    }
}

/// An LM that is ready after so many polls.
struct Slow {
    polls: usize,
    calls: Arc<AtomicUsize>,
}

impl LanguageModel for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn call<'a>(
        &'a self,
        _: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            self.calls.fetch_add(1, Ordering::SeqCst);
            for _ in 0..self.polls {
                tokio::task::yield_now().await;
            }
            Ok(Response::of("done"))
        })
    }
}

fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_leader_that_is_dropped_at_any_poll_is_taken_over() {
    const POLLS: usize = 5;
    for dropped_after in 0..=POLLS {
        for followers in [1, 3] {
            let calls = Arc::new(AtomicUsize::new(0));
            let cache = Cache::memory();
            let lm = Lm::custom(Slow { polls: POLLS, calls: calls.clone() }).cache(cache.clone());
            let mut leader = Box::pin(lm.complete(hi("hi")));
            for _ in 0..dropped_after {
                assert!(poll(leader.as_mut()).is_pending());
            }
            let mut waiting: Vec<_> = (0..followers).map(|_| Box::pin(lm.complete(hi("hi")))).collect();
            // Some poll before the leader is gone, some only after it.
            for follower in waiting.iter_mut().take(followers - followers / 2) {
                let _ = poll(follower.as_mut());
            }
            drop(leader);
            for follower in waiting {
                assert_eq!(follower.await.unwrap().completions[0].text, "done");
            }
            let sent = 1 + usize::from(dropped_after > 0);
            assert_eq!(calls.load(Ordering::SeqCst), sent, "dropped after {dropped_after} polls");
            assert_eq!(cache.stats().in_flight, 0);
        }
    }
}

#[tokio::test]
async fn any_call_dropped_at_any_poll_leaves_nothing_behind() {
    let calls = Arc::new(AtomicUsize::new(0));
    let cache = Cache::memory();
    let lm = Lm::custom(Slow { polls: 3, calls }).cache(cache.clone());
    for polls in 0..4 {
        for others in 0..4 {
            let mut first = Box::pin(lm.complete(hi("hi")));
            let mut second = Box::pin(lm.complete(hi("hi")));
            (0..polls.min(3)).for_each(|_| assert!(poll(first.as_mut()).is_pending()));
            (0..others.min(3)).for_each(|_| assert!(poll(second.as_mut()).is_pending()));
            if (polls + others) % 2 == 0 {
                drop(first);
                drop(second);
            } else {
                drop(second);
                drop(first);
            }
            assert_eq!((cache.stats().in_flight, cache.stats().entries), (0, 0), "{polls} {others}");
        }
    }
    assert_eq!(lm.complete(hi("hi")).await.unwrap().completions[0].text, "done");
}

/// Makes equal calls at once to an LM with these replies: each outcome, and how many requests were sent.
async fn at_once(calls: usize, replies: Vec<Reply>) -> (Vec<Result<String>>, usize) {
    let model = ScriptedLm::new(replies.into_iter().map(|reply| reply.delay(millis(10))));
    let cache = Cache::memory();
    let lm = model.lm().cache(cache.clone());
    let tasks: Vec<_> = (0..calls)
        .map(|_| {
            let lm = lm.clone();
            tokio::spawn(async move { lm.complete(hi("hi")).await })
        })
        .collect();
    let mut said = Vec::new();
    for task in tasks {
        said.push(task.await.unwrap().map(|mut response| response.completions.remove(0).text));
    }
    assert_eq!(cache.stats().in_flight, 0);
    (said, model.calls())
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_fails_is_taken_over_once_and_then_it_fails_for_all() {
    let (said, sent) = at_once(100, vec![server_error(), Reply::text("up again")]).await;
    assert_eq!((said.iter().filter(|said| said.is_ok()).count(), sent), (99, 2));
    let (said, sent) = at_once(100, vec![server_error(), server_error(), Reply::text("late")]).await;
    assert_eq!((said.iter().filter(|said| said.is_err()).count(), sent), (100, 2));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_and_an_answer_that_is_not_stored_go_to_all() {
    let (said, sent) = at_once(100, vec![failure(ErrorKind::Auth)]).await;
    assert!(sent == 1 && said.iter().all(|said| said.as_ref().is_err_and(Error::is_auth)));
    let (said, sent) = at_once(100, vec![Reply::text("cut").finish(Finish::Length)]).await;
    assert!(sent == 1 && said.iter().all(|said| said.as_ref().is_ok_and(|text| text == "cut")));
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_model_panics_is_taken_over() {
    let first = AtomicUsize::new(0);
    let model = ScriptedLm::computed(move |_| {
        assert!(first.fetch_add(1, Ordering::SeqCst) > 0, "a bug in the model");
        Reply::text("done")
    });
    let cache = Cache::memory();
    let lm = model.lm().cache(cache.clone());
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let lm = lm.clone();
            tokio::spawn(async move { lm.complete(hi("hi")).await.unwrap() })
        })
        .collect();
    let mut panics = 0;
    for task in tasks {
        panics += usize::from(task.await.is_err());
    }
    assert_eq!((panics, cache.stats().in_flight), (1, 0));
}

async fn streamed(lm: &Lm) -> Vec<String> {
    let heard = Mutex::new(Vec::new());
    let caller = Caller::new("me", CallerId::unique());
    let response =
        lm.stream_for(caller, hi("hi"), &mut |delta| heard.lock().unwrap().push(delta.text.to_owned())).await;
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard.concat(), response.unwrap().completions[0].text);
    heard
}

#[tokio::test(start_paused = true)]
async fn a_miss_is_streamed_as_it_comes_and_a_hit_in_one_piece() {
    let model = ScriptedLm::new([Reply::pieces(["he", "l", "lo"]).pace(millis(100))]);
    let lm = model.lm().cache(Cache::memory());
    let (first, joined) = tokio::join!(streamed(&lm), streamed(&lm));
    assert_eq!((first, joined), (vec!["he".into(), "l".into(), "lo".into()], vec!["hello".to_owned()]));
    assert_eq!(streamed(&lm).await, ["hello"]);
    assert_eq!(model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_over_gets_its_own_answer() {
    let piece = || Reply::pieces(["a", "b"]).delay(millis(100));
    let model = ScriptedLm::new([piece(), piece()]);
    let lm = model.lm().cache(Cache::memory());
    let mut leader = Box::pin(lm.complete(hi("hi")));
    assert!(poll(leader.as_mut()).is_pending());
    let mut follower = pin!(streamed(&lm));
    assert!(poll(follower.as_mut()).is_pending());
    drop(leader);
    assert_eq!(follower.await, ["a", "b"]);
}

#[tokio::test]
async fn waiting_calls_take_over_in_their_order_of_arrival() {
    let lm = Lm::custom(Slow { polls: 3, calls: Arc::default() }).cache(Cache::memory());
    let order = Mutex::new(Vec::new());
    let call = |number: usize| {
        let (lm, order) = (&lm, &order);
        async move {
            let response = lm.complete(hi("hi")).await.unwrap();
            order.lock().unwrap().push((number, response.usage.cached_calls));
        }
    };
    let mut leader = Box::pin(call(0));
    assert!(poll(leader.as_mut()).is_pending());
    // In one task with wakers of their own, so that the first woken is polled first.
    let waiting: futures_util::stream::FuturesUnordered<_> = (1..30).map(call).collect();
    let mut all = Box::pin(futures_util::StreamExt::collect::<Vec<()>>(waiting));
    assert!(poll(all.as_mut()).is_pending());
    drop(leader);
    all.await;
    let order = order.into_inner().unwrap();
    let leads: Vec<_> = order.iter().filter(|(_, cached)| *cached == 0).map(|(number, _)| *number).collect();
    assert_eq!((leads, order.len()), (vec![1], 29));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_follower_leaves_the_flight_to_later_calls() {
    let cache = Cache::memory();
    let model = ScriptedLm::computed(|_| Reply::text("Paris").delay(millis(100)));
    let lm = model.lm().cache(cache.clone());
    let mut leader = Box::pin(lm.complete(hi("hi")));
    assert!(poll(leader.as_mut()).is_pending());
    let mut follower = Box::pin(lm.complete(hi("hi")));
    assert!(poll(follower.as_mut()).is_pending());
    assert_eq!(cache.stats().in_flight, 1);
    drop(follower);
    let (first, later) = tokio::join!(leader, lm.complete(hi("hi")));
    assert_eq!(first.unwrap().completions, later.unwrap().completions);
    assert_eq!((model.calls(), cache.stats().in_flight), (1, 0));
}

#[tokio::test]
async fn a_hit_streams_each_completions_reasoning_before_its_text() {
    let mut reasoned = Completion::new("Paris");
    reasoned.reasoning = Some("by heart".into());
    let mut silent = Completion::new("Rome");
    silent.reasoning = Some(String::new());
    let response = Response::new([reasoned, silent]);
    let lm = Lm::custom(Given { response, asked: Arc::default() }).cache(Cache::memory());
    lm.complete(hi("hi")).await.unwrap();
    let mut heard = Vec::new();
    let caller = Caller::new("me", CallerId::unique());
    let sink = &mut |delta: Delta<'_>| heard.push((delta.completion, delta.part, delta.text.to_owned()));
    lm.stream_for(caller, hi("hi"), sink).await.unwrap();
    let (reasoning, text) = (DeltaPart::Reasoning, DeltaPart::Text);
    assert_eq!(
        heard,
        [(0, reasoning, "by heart".into()), (0, text, "Paris".into()), (1, text, "Rome".into())]
    );
}

#[tokio::test]
async fn a_hit_in_memory_does_not_ask_for_the_models_identity() {
    let given = Given { response: paris(), asked: Arc::default() };
    let asked = given.asked.clone();
    let lm = Lm::custom(given).cache(Cache::memory());
    lm.complete(hi("hi")).await.unwrap();
    let before = asked.load(Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(lm.complete(hi("hi")).await.unwrap().usage.cached_calls, 1);
    }
    assert_eq!(asked.load(Ordering::SeqCst), before);
}

fn paris() -> Response {
    Response::of("Paris")
}

/// An LM with one answer, which counts how often its identity is asked for.
struct Given {
    response: Response,
    asked: Arc<AtomicUsize>,
}

impl LanguageModel for Given {
    fn name(&self) -> &str {
        "given"
    }

    fn identity(&self) -> String {
        self.asked.fetch_add(1, Ordering::SeqCst);
        "given".into()
    }

    fn call<'a>(
        &'a self,
        _: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async { Ok(self.response.clone()) })
    }
}
