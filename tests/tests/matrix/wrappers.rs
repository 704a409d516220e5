//! Rows 37 to 48, and 50: wrappers, callers and the clock.

use std::{future::poll_fn, task::Poll, time::Duration};

use futures_util::future::join_all;
use karat::ErrorKind;
use karat_tests::{
    Act, Received, Reply,
    clock::{run, settle},
};
use tokio::time::{Instant, advance};

use super::{
    cell::{Shown, check, no_more_than, nothing_stays, plain_server, subject, tasks_of_clients},
    fault::{Class, Fault, Wait, good, millis, seconds},
    model::Schedule,
    rollouts::{all_fail, configured, equal_rewards, late, odd_reward, panics, worse},
    rows::Row,
    subject::{ROLLOUTS, Seen, Surface},
};

pub const QUESTION: &str = "Capital of France?";

pub fn rows() -> Vec<Row> {
    use Surface::{Batch, Cached, Predict, Stream};
    let no_rollouts = "it has no rollouts";
    let one = [Predict, Stream, Cached];
    let not_rollouts = [Predict, Batch, Stream, Cached];
    vec![
        Row::new(37, "a future dropped at any poll").own("dropped", dropped),
        Row::new(38, "history for ever").own("bounded", history),
        Row::new(39, "many calls (here 40; a million in the soak test)").own("many", many),
        Row::new(40, "a reward or a module panics")
            .own("panics", panics)
            .dash(one, "it has no reward, and no other rows"),
        Row::new(41, "reward NaN, +inf, -inf")
            .own("NaN", |surface, schedule| odd_reward(surface, schedule, f64::NAN))
            .own("+inf", |surface, schedule| odd_reward(surface, schedule, f64::INFINITY))
            .own("-inf", |surface, schedule| odd_reward(surface, schedule, f64::NEG_INFINITY))
            .dash(not_rollouts, no_rollouts),
        Row::new(42, "all rollouts fail").own("fail", all_fail).dash(not_rollouts, no_rollouts),
        Row::new(43, "used again and again, and from many tasks").own("again", again_and_again),
        Row::new(44, "n = 0; NaN threshold; infinite threshold")
            .own("n = 0", |surface, schedule| configured(surface, schedule, 0, 1.0))
            .own("NaN", |surface, schedule| configured(surface, schedule, ROLLOUTS, f64::NAN))
            .own("infinite", |surface, schedule| configured(surface, schedule, ROLLOUTS, f64::INFINITY))
            .dash(not_rollouts, no_rollouts),
        Row::new(45, "equal rewards in any order of arrival")
            .own("equal", equal_rewards)
            .dash(not_rollouts, no_rollouts),
        Row::new(46, "the deadline with some rollouts done")
            .own("some", |surface, schedule| late(surface, schedule, false))
            .dash(one, no_rollouts),
        Row::new(47, "every rollout slower than the deadline")
            .own("all", |surface, schedule| late(surface, schedule, true))
            .dash(one, no_rollouts),
        Row::new(48, "later rollouts are worse").own("worse", worse).dash(not_rollouts, no_rollouts),
        Row::new(50, "the clock jumps")
            .faults(["Thu, 01 Jan 1970 00:00:10 GMT", "Thu, 31 Dec 2099 23:59:30 GMT"].map(other_clock))
            .own("ten years between two calls", jumps),
    ]
}

/// The outcome of a call, for the table.
pub fn shown(seen: &Seen, requests: usize) -> Shown {
    Shown { outcome: seen.words(), requests }
}

/// A server with good answers, except for the requests that the schedule names.
fn faulty_server(
    schedule: Schedule,
    good_ones: usize,
    fault: impl Fn(&Received) -> Reply + Send + 'static,
) -> karat_tests::Server {
    plain_server(move |request| match schedule.is_faulty(request.index, good_ones) {
        true => fault(request),
        false => good(request),
    })
}

/// Calls that are polled a few times and then dropped, with failures and waits before that.
fn dropped(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = faulty_server(schedule, 1, |_| {
            vec![Act::Pause(millis(3)), Reply::status(503).acts.remove(0)].into()
        });
        let subject = subject(surface, &server);
        for polls in 0..16 {
            let mut call = subject.call(&format!("polled {polls} times"));
            for poll in 0..polls {
                let outcome = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                if outcome.is_ready() {
                    break;
                }
                // Some are dropped within an answer, some within a wait.
                tokio::time::sleep(millis([1, 2, 400][poll % 3])).await;
            }
            drop(call);
            nothing_stays(&subject, &server).await?;
            let tasks = tasks_of_clients(&server);
            check(tasks <= 2 * server.open() + 1, || format!("{tasks} tasks after {polls} polls"))?;
        }
        server.set_script(good);
        let before = server.count();
        let seen = subject.call(QUESTION).await;
        let requests = server.count() - before;
        check(seen.error.is_none() && requests == surface.answers(), || {
            format!("{requests} requests: {seen:?}")
        })?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&seen, requests))
    })
}

fn history(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = faulty_server(schedule, 5, |_| Reply::status(400));
        let subject = subject(surface, &server).with_lm(|lm| lm.history_limits(4, 64 << 10));
        let mut last = Seen::default();
        for index in 0..12 {
            last = subject.call(&format!("{index} {}", "x".repeat(4_000))).await;
            let history = subject.lm.history();
            check(history.len() <= 4, || format!("{} entries", history.len()))?;
        }
        check(subject.lm.history().len() == 4, || "too few entries".into())?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&last, server.count()))
    })
}

fn many(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = faulty_server(schedule, 5, |_| Reply::status(503));
        let subject = subject(surface, &server);
        let mut last = subject.call("first").await;
        settle().await;
        let (tasks, open) = (tasks_of_clients(&server), server.open());
        for index in 0..39 {
            last = subject.call(&format!("{index}")).await;
        }
        settle().await;
        let after = (tasks_of_clients(&server), server.open());
        check(after.0 <= tasks && after.1 <= open, || {
            format!("{after:?} are more than {:?}", (tasks, open))
        })?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&last, server.count()))
    })
}

/// Repeats a call under the same schedule, and then makes many at once.
fn again_and_again(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let good_within = if surface.answers() > 1 { 1 } else { 0 };
        let server = plain_server(good);
        let subject = subject(surface, &server);
        let mut first = None;
        for call in 0..4 {
            let start = server.count();
            server.set_script(move |request| match schedule.is_faulty(request.index - start, good_within) {
                true => Reply::status(503),
                false => good(request),
            });
            let begun = Instant::now();
            let seen = subject.call(&format!("call {call}")).await;
            let now = (
                seen.units.clone(),
                seen.error,
                server.count() - start,
                begun.elapsed().as_millis(),
                seen.words(),
            );
            let first = first.get_or_insert_with(|| now.clone());
            check(*first == now, || format!("{now:?} is not {first:?}"))?;
        }
        nothing_stays(&subject, &server).await?;
        server.set_script(good);
        let before = server.count();
        let calls = (0..8).map(|task| tokio::spawn(subject.call(&format!("task {task}"))));
        let all = join_all(calls).await;
        check(all.iter().all(|seen| seen.as_ref().is_ok_and(|seen| seen.error.is_none())), || {
            format!("{all:?}")
        })?;
        check(server.count() - before == 8 * surface.answers(), || {
            format!("{} requests", server.count() - before)
        })?;
        drop(all);
        no_more_than(8, &subject, &server).await?;
        let (_, _, requests, _, outcome) = first.ok_or("no call")?;
        Ok(Shown { outcome, requests })
    })
}

/// A server whose clock is far from this machine's, and a date by that clock: 30 s from its now.
fn other_clock(now: &'static str) -> Fault {
    let then =
        if now.contains("1970") { "Thu, 01 Jan 1970 00:00:40 GMT" } else { "Fri, 01 Jan 2100 00:00:00 GMT" };
    Fault::reply(now, Class::Retry(ErrorKind::RateLimited, Wait::Asked(seconds(30))), move |_| {
        Reply::status(429).header("date", now).header("retry-after", then)
    })
}

fn jumps(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = plain_server(good);
        let subject = subject(surface, &server);
        let mut last = Seen::default();
        for call in 0..3 {
            if schedule.is_faulty(call, 1) {
                advance(Duration::from_secs(10 * 365 * 86_400)).await;
            }
            let start = Instant::now();
            last = subject.call(&format!("call {call}")).await;
            check(last.error.is_none() && start.elapsed() < millis(50), || {
                format!("{:?}: {last:?}", start.elapsed())
            })?;
        }
        check(server.count() == 3 * surface.answers(), || format!("{} requests", server.count()))?;
        settle().await;
        check(server.open() == server.idle(), || "a connection stays".into())?;
        Ok(shown(&last, server.count()))
    })
}
