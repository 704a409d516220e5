//! Timeouts that pause while nobody polls.
//!
//! A future is polled when it is woken, or later if its owner is busy: a program that reads a stream slowly leaves the answer's
//! bytes waiting in the connection. That delay is the owner's, so it counts towards no limit: between two polls only the time
//! before the first wake counts, unless the rest is so short that the scheduler caused it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// The usual delay between a wake and its poll. A longer delay means that the owner was busy; and a poll so much later than the
/// limit means that the thread was held up, so what arrived meanwhile gets as long again to be seen.
const SLACK: Duration = Duration::from_millis(20);

/// Runs a future for at most `limit`; returns its output, if it ended, and the time that counted.
///
/// Dropping it drops the future. Outside of a Tokio runtime with a clock it panics once it has a limit and has to wait.
pub(crate) async fn timed<T>(
    limit: Option<Duration>,
    future: impl Future<Output = T>,
) -> (Option<T>, Duration) {
    let mut future = pin!(future);
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut timer = pin!(None);
    let mut took = Duration::ZERO;
    let mut waits_since: Option<Instant> = None;
    let mut is_extended = false;
    let output = poll_fn(|context| {
        let woken = alarm.arm(context.waker());
        let start = Instant::now();
        if let Some(since) = waits_since.take() {
            let woken = woken.map_or(start, |woken| woken.max(since));
            let is_late = start.saturating_duration_since(woken) > SLACK;
            let until = if is_late { woken } else { start };
            took = took.saturating_add(until.saturating_duration_since(since));
        }
        let mut context = Context::from_waker(&waker);
        // A ready output wins over a limit that has passed.
        let poll = future.as_mut().poll(&mut context);
        let end = Instant::now();
        took = took.saturating_add(end.saturating_duration_since(start));
        if let Poll::Ready(output) = poll {
            return Poll::Ready(Some(output));
        }
        if let Some(limit) = limit {
            if took > limit.saturating_add(SLACK) && !std::mem::replace(&mut is_extended, true) {
                took = limit.saturating_sub(SLACK);
            }
            if !has_time(limit, took, timer.as_mut(), &mut context) {
                return Poll::Ready(None);
            }
        }
        waits_since = Some(end);
        Poll::Pending
    });
    let output = output.await;
    (output, took)
}

/// True if some of the limit is left; sets the timer to its end, or earlier.
fn has_time(
    limit: Duration,
    took: Duration,
    mut timer: Pin<&mut Option<Sleep>>,
    context: &mut Context<'_>,
) -> bool {
    loop {
        let left = limit.saturating_sub(took);
        if left.is_zero() {
            return false;
        }
        // An end beyond the clock's range is no limit.
        let Some(end) = Instant::now().checked_add(left) else { return true };
        match timer.as_mut().as_pin_mut() {
            None => timer.set(Some(sleep_until(end))),
            // It fires too early if some time did not count; then it is reset.
            Some(timer) if timer.is_elapsed() => timer.reset(end),
            Some(_) => {}
        }
        let Some(timer) = timer.as_mut().as_pin_mut() else { return true };
        if timer.poll(context).is_pending() {
            return true;
        }
    }
}

/// Runs a future for no longer than the limit by the clock: cheaper than [`timed`], for outputs that nobody takes slowly.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    // Most futures end before there is need for one.
    let mut timer = pin!(None);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            timer.set(Some(sleep(limit)));
        }
        let timer = timer.as_mut().as_pin_mut();
        timer.map_or(Poll::Pending, |timer| timer.poll(context).map(|()| None))
    })
    .await
}

/// Wakes the task, and notes the time of the first wake.
#[derive(Default)]
struct Alarm {
    task: AtomicWaker,
    woken: Mutex<Option<Instant>>,
}

impl Alarm {
    /// Prepares for the next wake; returns the time of the last one.
    fn arm(&self, task: &Waker) -> Option<Instant> {
        self.task.register(task);
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let now = Instant::now();
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        sync::mpsc::unbounded_channel,
        time::{advance, sleep},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Polls it once.
    async fn once<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_waits_longer_than_its_limit_ends_at_it() {
        let start = Instant::now();
        assert_eq!(timed(Some(SECOND), sleep(SECOND * 2)).await, (None, SECOND));
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(timed(Some(SECOND * 2), sleep(SECOND)).await, (Some(()), SECOND));
        assert_eq!(timed(None, sleep(SECOND)).await, (Some(()), SECOND));
        assert_eq!(timed(Some(Duration::MAX), sleep(SECOND)).await, (Some(()), SECOND));
        assert_eq!(timed(Some(Duration::ZERO), async { 1 }).await, (Some(1), Duration::ZERO));
        assert_eq!(timed(Some(Duration::ZERO), sleep(SECOND)).await, (None, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_in_time_counts_though_it_is_polled_late() {
        let mut watched = pin!(timed(Some(SECOND), sleep(SECOND / 2)));
        assert!(once(watched.as_mut()).await.is_pending());
        sleep(SECOND * 100).await;
        assert_eq!(watched.await, (Some(()), SECOND / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_polls_does_not_count() {
        let (send, mut receive) = unbounded_channel();
        tokio::spawn(async move {
            for piece in 0..100 {
                sleep(SECOND / 10).await;
                send.send(piece).unwrap();
            }
        });
        // Ten seconds of pieces for an owner that polls every ten seconds.
        let all = async {
            let mut count = 0;
            while receive.recv().await.is_some() {
                count += 1;
                if count == 100 {
                    break;
                }
                tokio::task::yield_now().await;
            }
            count
        };
        let mut watched = pin!(timed(Some(SECOND), all));
        loop {
            match once(watched.as_mut()).await {
                Poll::Ready((count, waited)) => {
                    assert_eq!(count, Some(100));
                    assert!(waited <= SECOND, "{waited:?}");
                    break;
                }
                Poll::Pending => sleep(SECOND * 10).await,
            }
        }
    }

    #[tokio::test]
    async fn a_future_that_is_always_busy_ends_at_its_limit_too() {
        let busy = async {
            loop {
                std::thread::sleep(Duration::from_millis(2));
                tokio::task::yield_now().await;
            }
        };
        let (outcome, took) = timed::<()>(Some(SECOND / 20), busy).await;
        assert!(outcome.is_none() && took >= SECOND / 20, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn polls_of_other_futures_do_not_delay_the_end() {
        let start = Instant::now();
        let ticks = async {
            loop {
                sleep(SECOND / 100).await;
            }
        };
        tokio::select! {
            (outcome, _) = timed(Some(SECOND), std::future::pending::<()>()) => assert_eq!(outcome, None),
            () = ticks => {}
        }
        assert_eq!(start.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_came_while_the_thread_was_held_up_is_taken() {
        let (send, mut receive) = unbounded_channel();
        let mut watched = pin!(timed(Some(SECOND), receive.recv()));
        assert!(once(watched.as_mut()).await.is_pending());
        // Nothing runs while the clock goes on, neither tasks nor timers.
        tokio::spawn(async move { send.send(()).unwrap() });
        advance(SECOND * 5).await;
        assert_eq!(watched.await.0, Some(Some(())));
    }
}
