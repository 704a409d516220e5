//! Rows 40 to 42 and 44 to 48: rewards, rollouts and deadlines.

use std::{panic::panic_any, time::Duration};

use karat::{BestOfN, ErrorKind, Module, Predict, Prediction, Refine, Result, Stop, module};
use karat_tests::{
    Act, Received, Reply,
    clock::{run, settle},
};
use tokio::time::Instant;

use super::{
    cell::{Shown, check, nothing_stays, plain_server, subject},
    fault::{good, millis},
    model::Schedule,
    subject::{Qa, QaInput, QaOutput, ROLLOUTS, Seen, Subject, Surface, ask},
    wrappers::{QUESTION, shown},
};

/// The text of planned panics.
pub const PLANNED: &str = "planned";

/// Panics on the inputs that say so.
#[module]
struct Careless {
    qa: Predict<Qa>,
}

#[module]
impl Careless {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        if input.question.contains("panic") {
            panic_any(PLANNED);
        }
        self.qa.call(input).await
    }
}

/// Answers with the number of the rollout.
fn numbered(request: &Received) -> Reply {
    super::fault::said(request, &format!("[[ ## answer ## ]]\n{}", request.index % ROLLOUTS))
}

fn number(prediction: &Prediction<QaOutput>) -> usize {
    prediction.answer.parse().expect("a number")
}

/// The outcome of rollouts with this reward.
async fn rewarded(subject: &Subject, reward: impl Fn(usize) -> f64 + Send + Sync + 'static) -> Seen {
    let reward = move |_: &QaInput, prediction: &Prediction<QaOutput>| (reward(number(prediction)), "go on");
    let qa = subject.qa.clone();
    Seen::rollouts(match subject.surface {
        Surface::BestOfN => BestOfN::new(qa, ROLLOUTS, reward).call(ask(QUESTION)).await,
        _ => Refine::new(qa, ROLLOUTS, reward).call(ask(QUESTION)).await,
    })
}

/// The kinds of three parts, one of which met the fault, or all.
fn parts(schedule: Schedule, kind: ErrorKind) -> Vec<Option<ErrorKind>> {
    (0..ROLLOUTS).map(|index| schedule.is_faulty(index, 1).then_some(kind)).collect()
}

pub fn panics(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = plain_server(numbered);
        let subject = subject(surface, &server);
        let panics = move |index: usize| schedule.is_faulty(index, 1);
        let mut requests = ROLLOUTS;
        let seen = match surface {
            Surface::Batch => {
                let careless = Careless { qa: subject.qa.clone() };
                let words = (0..ROLLOUTS).map(|index| if panics(index) { "panic" } else { "go on" });
                let items = careless.batch(words.map(ask)).concurrency(1).await;
                let units: Vec<_> =
                    items.iter().map(|item| item.result.as_ref().err().map(karat::Error::kind)).collect();
                requests = units.iter().filter(|unit| unit.is_none()).count();
                Seen { units, ..Seen::default() }
            }
            _ => rewarded(&subject, move |index| if panics(index) { panic_any(PLANNED) } else { 1.0 }).await,
        };
        let error = (schedule == Schedule::Every && surface.has_rollouts()).then_some(ErrorKind::Exhausted);
        check(seen.units == parts(schedule, ErrorKind::Panic) && seen.error == error, || {
            format!("{seen:?}")
        })?;
        check(server.count() == requests, || format!("{} requests", server.count()))?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&seen, server.count()))
    })
}

pub fn odd_reward(surface: Surface, schedule: Schedule, odd: f64) -> Result<Shown, String> {
    run(async move {
        let server = plain_server(numbered);
        let subject = subject(surface, &server);
        let seen =
            rewarded(&subject, move |index| if schedule.is_faulty(index, 1) { odd } else { 1.0 }).await;
        let fails = odd.is_nan();
        let units = if fails { parts(schedule, ErrorKind::Reward) } else { vec![None; ROLLOUTS] };
        let error = (fails && schedule == Schedule::Every).then_some(ErrorKind::Exhausted);
        check(seen.units == units && seen.error == error, || format!("{seen:?}"))?;
        let faulty = match schedule {
            Schedule::First => 0,
            Schedule::Later => 1,
            Schedule::Every => 0,
        };
        let best = match (schedule, odd > 0.0) {
            (_, true) => faulty,
            (Schedule::First, false) => 1,
            _ => 0,
        };
        check(seen.predictions.iter().all(|prediction| number(prediction) == best), || format!("{seen:?}"))?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&seen, server.count()))
    })
}

/// All rollouts of the first call, of one after a good call, or of every call.
pub fn all_fail(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        // Three good requests are one good call.
        let server = plain_server(move |request| match schedule.is_faulty(request.index / ROLLOUTS, 1) {
            true => Reply::status(200).typed("text/html", format!("page {}", request.index % ROLLOUTS)),
            false => good(request),
        });
        let subject = subject(surface, &server);
        let mut shown_last = None;
        for call in 0..3 {
            let before = server.count();
            let seen = subject.call(QUESTION).await;
            if schedule.is_faulty(call, 1) {
                check(
                    seen.error == Some(ErrorKind::Exhausted)
                        && seen.units == [Some(ErrorKind::BadResponse); ROLLOUTS],
                    || format!("{seen:?}"),
                )?;
                let text = seen.errors[0].to_string();
                check((0..ROLLOUTS).all(|index| text.contains(&format!("page {index}"))), || {
                    format!("not every cause: {text}")
                })?;
                shown_last = Some(shown(&seen, server.count() - before));
            } else {
                check(seen.error.is_none(), || format!("{seen:?}"))?;
            }
        }
        nothing_stays(&subject, &server).await?;
        shown_last.ok_or_else(|| "no call failed".into())
    })
}

/// A wrong setting from the first call on, after a good call, and at two calls in a row.
pub fn configured(surface: Surface, schedule: Schedule, n: usize, threshold: f64) -> Result<Shown, String> {
    run(async move {
        let server = plain_server(good);
        let subject = subject(surface, &server);
        if schedule == Schedule::Later {
            let seen = subject.call(QUESTION).await;
            check(seen.error.is_none(), || format!("{seen:?}"))?;
        }
        let (qa, before) = (subject.qa.clone(), server.count());
        let calls = if schedule == Schedule::Every { 2 } else { 1 };
        let is_mistake = n == 0 || threshold.is_nan();
        let mut last = Seen::default();
        for _ in 0..calls {
            last = Seen::rollouts(match surface {
                Surface::BestOfN => {
                    BestOfN::new(qa.clone(), n, |_, _| 1.0).threshold(threshold).call(ask(QUESTION)).await
                }
                _ => {
                    Refine::new(qa.clone(), n, |_, _| (1.0, "go on"))
                        .threshold(threshold)
                        .call(ask(QUESTION))
                        .await
                }
            });
            check(last.error == is_mistake.then_some(ErrorKind::Config), || format!("{last:?}"))?;
        }
        let requests = (server.count() - before) / calls;
        check(requests == if is_mistake { 0 } else { ROLLOUTS }, || format!("{requests} requests"))?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&last, requests))
    })
}

/// The first answer comes last, the second one does, or each before the one that was asked for earlier.
pub fn equal_rewards(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = plain_server(move |request| {
            let pause = match schedule {
                Schedule::First | Schedule::Later if schedule.is_faulty(request.index, 1) => 300,
                Schedule::First | Schedule::Later => 100,
                Schedule::Every => 300 - 100 * (request.index % ROLLOUTS) as u64,
            };
            Reply { acts: [vec![Act::Pause(millis(pause))], numbered(request).acts].concat(), gone_for: None }
        });
        let subject = subject(surface, &server);
        let reward = |_: &QaInput, _: &Prediction<QaOutput>| (1.0, "go on");
        let seen = Seen::rollouts(match surface {
            Surface::BestOfN => {
                BestOfN::new(subject.qa.clone(), ROLLOUTS, reward)
                    .concurrency(ROLLOUTS)
                    .call(ask(QUESTION))
                    .await
            }
            _ => Refine::new(subject.qa.clone(), ROLLOUTS, reward).call(ask(QUESTION)).await,
        });
        let chosen: Vec<_> = seen
            .predictions
            .iter()
            .flat_map(|prediction| prediction.rollouts())
            .filter(|rollout| rollout.is_chosen())
            .map(karat::Rollout::index)
            .collect();
        check(chosen == [0] && seen.units == [None; ROLLOUTS], || format!("{seen:?}"))?;
        settle().await;
        check(server.open() == server.idle(), || "a connection stays".into())?;
        Ok(shown(&seen, server.count()))
    })
}

const DEADLINE: Duration = Duration::from_secs(5);

/// Some answers never come, or none does.
pub fn late(surface: Surface, schedule: Schedule, all: bool) -> Result<Shown, String> {
    run(async move {
        let is_silent = move |index: usize| match (all, schedule) {
            (true, _) => true,
            (false, Schedule::Every) => index > 0,
            (false, schedule) => schedule.is_faulty(index, 1),
        };
        let server = plain_server(good);
        let subject = subject(surface, &server);
        if all && schedule != Schedule::First {
            let seen = subject.call(QUESTION).await;
            check(seen.error.is_none(), || format!("{seen:?}"))?;
        }
        let calls = if all && schedule == Schedule::Every { 2 } else { 1 };
        let mut last = None;
        for _ in 0..calls {
            let before = server.count();
            server.set_script(move |request| match is_silent(request.index - before) {
                true => Act::Silence.into(),
                false => good(request),
            });
            let start = Instant::now();
            let (seen, stop) = in_time(&subject).await;
            let (time, requests) = (start.elapsed(), server.count() - before);
            let silent = (0..ROLLOUTS).filter(|index| is_silent(*index)).count();
            let expected_time = if surface == Surface::Batch { DEADLINE * silent as u32 } else { DEADLINE };
            check(time == expected_time, || format!("{time:?}, not {expected_time:?}"))?;
            let none_is_done = all || (surface == Surface::Refine && schedule == Schedule::First);
            let expected = match surface {
                Surface::Batch => None,
                _ => none_is_done.then_some(ErrorKind::Timeout),
            };
            check(seen.error == expected, || format!("{seen:?}"))?;
            match surface {
                Surface::Batch => {
                    let units: Vec<_> =
                        (0..ROLLOUTS).map(|index| is_silent(index).then_some(ErrorKind::Timeout)).collect();
                    check(seen.units == units && requests == ROLLOUTS, || format!("{seen:?}"))?;
                }
                // One after another: rollouts after the one that hangs do not begin.
                Surface::Refine => {
                    let begun = (0..ROLLOUTS).position(is_silent).map_or(ROLLOUTS, |index| index + 1);
                    check(seen.units.len() == begun && requests == begun, || format!("{begun}: {seen:?}"))?;
                }
                _ => check(seen.units.len() == ROLLOUTS && requests == ROLLOUTS, || format!("{seen:?}"))?,
            }
            let is_partial = surface.has_rollouts() && !none_is_done;
            check(stop == is_partial.then_some(Stop::Deadline), || format!("{stop:?}"))?;
            settle().await;
            check(server.open() == server.idle(), || "a connection stays".into())?;
            last =
                Some(Shown { outcome: if is_partial { "partial".into() } else { seen.words() }, requests });
        }
        last.ok_or_else(|| "no call".into())
    })
}

/// With a deadline for the whole, or for each item.
async fn in_time(subject: &Subject) -> (Seen, Option<Stop>) {
    let qa = subject.qa.clone();
    let outcome = match subject.surface {
        Surface::Batch => {
            let items = qa
                .batch((0..ROLLOUTS).map(|index| ask(&index.to_string())))
                .concurrency(1)
                .timeout(DEADLINE)
                .await;
            let units = items.iter().map(|item| item.result.as_ref().err().map(karat::Error::kind)).collect();
            return (Seen { units, ..Seen::default() }, None);
        }
        Surface::BestOfN => {
            BestOfN::new(qa, ROLLOUTS, |_, _| 1.0)
                .concurrency(ROLLOUTS)
                .deadline(DEADLINE)
                .call(ask(QUESTION))
                .await
        }
        _ => Refine::new(qa, ROLLOUTS, |_, _| (1.0, "go on")).deadline(DEADLINE).call(ask(QUESTION)).await,
    };
    let stop = outcome.as_ref().ok().and_then(Prediction::stop_reason);
    (Seen::rollouts(outcome), stop)
}

/// The best one is the first, the second, or each is worse than the one before.
pub fn worse(surface: Surface, schedule: Schedule) -> Result<Shown, String> {
    run(async move {
        let server = plain_server(numbered);
        let subject = subject(surface, &server);
        let rewards: [f64; ROLLOUTS] = match schedule {
            Schedule::First => [3.0, 1.0, 2.0],
            Schedule::Later => [1.0, 3.0, 2.0],
            Schedule::Every => [3.0, 2.0, 1.0],
        };
        let seen = rewarded(&subject, move |index| rewards[index]).await;
        let best = if schedule == Schedule::Later { 1 } else { 0 };
        let is_best = |prediction: &Prediction<QaOutput>| {
            number(prediction) == best && prediction.reward() == Some(3.0)
        };
        check(seen.predictions.len() == 1 && seen.predictions.iter().all(is_best), || format!("{seen:?}"))?;
        nothing_stays(&subject, &server).await?;
        Ok(shown(&seen, server.count()))
    })
}
