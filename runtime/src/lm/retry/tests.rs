//! Calls that are dropped: what they took comes back.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::time::sleep;

use super::{Policy, Retry, bucket::Bucket};
use crate::{
    error::{Error, ErrorKind, Result},
    lm::{BoxFuture, Delta, LanguageModel, Layer, Message, Request, Response, Tell},
};

const TICK: Duration = Duration::from_millis(1);

/// Fails after three ticks, for ever.
#[derive(Clone, Default)]
struct Failing {
    asked: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
}

struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LanguageModel for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn complete<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            let _in_flight = InFlight(&self.in_flight);
            for _ in 0..3 {
                sleep(TICK).await;
            }
            Err(Error::new(ErrorKind::Server, "busy"))
        })
    }

    fn stream<'a>(&'a self, request: &'a Request, tell: &'a mut Tell<'a>) -> BoxFuture<'a, Result<Response>> {
        let _: &mut dyn FnMut(Delta<'_>) = tell;
        self.complete(request)
    }
}

fn tokens(bucket: &Arc<Bucket>) -> usize {
    std::iter::from_fn(|| bucket.take()).collect::<Vec<_>>().len()
}

/// Polls it so often, a tick apart, and then drops it; true if it came to its end.
async fn poll_times<T>(mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>, times: usize) -> bool {
    for _ in 0..times {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await.is_ready() {
            return true;
        }
        sleep(TICK).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_at_any_poll_leaves_no_request_and_no_token_behind() {
    let request = Request::new(vec![Message::user("hi")]);
    for streamed in [false, true] {
        let mut polls = 0;
        loop {
            let model = Failing::default();
            let retry = Retry::new().backoff(TICK * 5, TICK * 5).random(|| 1.0).budget(10, 0.0);
            let policy = Policy {
                retry,
                deadline: Some(Duration::from_secs(1)),
                attempt: Some(Duration::from_secs(1)),
            };
            let bucket = policy.retry.bucket(model.identity());
            let layered = policy.layer(Arc::new(model.clone()));
            let mut tell = |_: Delta<'_>| {};
            let call = match streamed {
                true => layered.stream(&request, &mut tell),
                false => layered.complete(&request),
            };
            let ended = poll_times(call, polls).await;
            let asked = model.asked.load(Ordering::Relaxed);
            assert_eq!(model.in_flight.load(Ordering::Relaxed), 0, "after {polls} polls");
            assert_eq!(tokens(&bucket), 10 - asked.saturating_sub(1), "after {polls} polls");
            if ended {
                assert_eq!(asked, 4);
                break;
            }
            polls += 1;
        }
        assert!(polls > 20, "{polls}");
    }
}

#[test]
fn a_model_that_is_tried_again_has_its_own_name_and_identity() {
    struct Named;
    impl LanguageModel for Named {
        fn name(&self) -> &str {
            "a name"
        }
        fn identity(&self) -> String {
            "an identity".into()
        }
        fn complete<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response>> {
            Box::pin(async { Err(Error::new(ErrorKind::Server, "busy")) })
        }
    }
    let layered = Policy::usual().layer(Arc::new(Named));
    assert_eq!((layered.name(), layered.identity().as_str()), ("a name", "an identity"));
}
