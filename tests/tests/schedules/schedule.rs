//! One schedule: reads it from a seed, runs it in virtual time, and checks it.

use std::{
    any::Any as Payload,
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use fastrand::Rng;
use futures_util::FutureExt;
use karat::{
    Error, Module, Prediction, Result,
    author::all_predictors_mut,
    batch::Batched,
    lm::{Config, Message, Request},
    stream::StreamEvent,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    captured_log::CapturedLog,
    checks::{self, SLACK},
    program::{Any, Program, QaInput},
    stack::Stack,
    upstream::PANIC,
    world::World,
};

/// The longest that anybody waits.
const FOR_EVER: Duration = Duration::from_secs(2 * 60 * 60);

/// The polls of a caller that polls now and then.
const POLLS: u32 = 2_000;

/// Longer than any per-minute limit, pause or cooldown.
const UNTIL_ALL_IS_QUIET: Duration = Duration::from_secs(20 * 60);

/// The values that a seed describes.
#[derive(Clone, Debug)]
pub struct Schedule {
    program: Program,
    stacks: Vec<Stack>,
    surface: Surface,
    actor: Actor,
    /// Whether the log is captured, and all texts are searched.
    is_heard: bool,
}

#[derive(Clone, Debug)]
enum Surface {
    Call,
    Stream {
        pause: Duration,
    },
    Batch {
        items: usize,
        concurrency: usize,
        max_errors: Option<usize>,
        timeout: Option<Duration>,
        equal: bool,
    },
}

/// How the caller treats its call.
#[derive(Clone, Debug)]
enum Actor {
    /// Waits for its end.
    Patient,
    /// Drops it after this time.
    Leaves(Duration),
    /// Drops it after so many polls.
    LeavesAtPoll(u32),
    /// Polls it now and then.
    Slow(Duration),
}

/// How it ended.
enum Outcome {
    One(Result<Prediction<String>>),
    Many(Batched<QaInput, String>),
    Panic(Box<dyn Payload + Send>),
    /// It was dropped.
    Left,
}

impl Schedule {
    pub fn of(seed: u64) -> Self {
        let dice = &mut Rng::with_seed(seed);
        let surface = match dice.u8(..6) {
            0 => Surface::Stream { pause: Duration::from_millis(*dice.choice(&[0, 0, 30, 4_000]).unwrap()) },
            1 => Surface::Batch {
                items: dice.usize(1..=4),
                concurrency: dice.usize(1..=4),
                max_errors: dice.bool().then(|| dice.usize(..3)),
                timeout: dice.bool().then(|| Duration::from_millis(*dice.choice(&[0, 500, 9_000]).unwrap())),
                equal: dice.bool(),
            },
            _ => Surface::Call,
        };
        let actor = match dice.u8(..8) {
            0 => Actor::Leaves(Duration::from_millis(dice.u64(..20_000))),
            1 => Actor::LeavesAtPoll(dice.u32(..40)),
            2 => Actor::Slow(Duration::from_millis(*dice.choice(&[1, 19, 500, 10_000]).unwrap())),
            _ => Actor::Patient,
        };
        let depth = if matches!(surface, Surface::Batch { .. }) { 1 } else { 0 };
        let program = Program::random(dice, depth);
        let stacks = (0..if dice.u8(..4) == 0 { 2 } else { 1 }).map(|_| Stack::random(dice, 0)).collect();
        Self { program, stacks, surface, actor, is_heard: dice.u8(..4) == 0 }
    }

    /// Runs it; the world has the faults.
    pub async fn run(&self, is_shown: bool) -> World {
        let is_prompt = matches!(self.actor, Actor::Patient | Actor::Leaves(_))
            && !matches!(self.surface, Surface::Stream { pause } if !pause.is_zero());
        let world = World::new(is_prompt, matches!(self.surface, Surface::Batch { .. }), is_shown);
        let log = CapturedLog::default();
        let _listens = self.is_heard.then(|| log.listen());
        let lms: Vec<_> = self
            .stacks
            .iter()
            .enumerate()
            .map(|(i, stack)| stack.build(&world, &format!("lm{i}"), &[]))
            .collect();
        let mut program = self.program.build(&world, &lms[lms.len() - 1], true);
        for (i, (_, predictor)) in all_predictors_mut(&mut program).into_iter().enumerate() {
            predictor.set_lm(&lms[i % lms.len()]);
        }
        let start = Instant::now();
        let outcome = self.act(self.start(&world, &program)).await;
        let took = start.elapsed();
        world.note(format!("the call ends after {took:?}"));
        checks::nothing_stays(&world);
        checks::limits_held(&world);
        self.ends_in_time(&world, took, &outcome);
        self.sends_no_more_than_it_may(&world);
        self.counts_what_it_sent(&world, &outcome);
        self.is_typed(&world, &outcome);
        if self.is_heard {
            self.shows_no_secret(&world, &program, &outcome, &log);
        }
        world.note(summary(&outcome));
        drop((outcome, program));
        self.goes_on(&world).await;
        world
    }

    fn start<'a>(&self, world: &'a World, program: &'a Any) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
        let input = |i: usize| QaInput { question: format!("How good is it? {i}") };
        match &self.surface {
            Surface::Call => Box::pin(async move { Outcome::One(program.call(input(0)).await) }),
            Surface::Stream { pause } => {
                let (mut stream, pause) = (program.stream(input(0)), *pause);
                Box::pin(async move {
                    let mut pieces = 0;
                    loop {
                        match stream.next().await {
                            Some(Ok(StreamEvent::Progress(_))) => pieces += 1,
                            Some(Ok(StreamEvent::Done(prediction))) => {
                                world.note(format!("{pieces} pieces were streamed"));
                                let ended = stream.next().await.is_none();
                                world.check(ended, || "a stream goes on after its end".into());
                                return Outcome::One(Ok(prediction));
                            }
                            Some(Err(error)) => return Outcome::One(Err(error)),
                            None => {
                                world.wrong("a stream ends without a prediction or an error");
                                return Outcome::Left;
                            }
                            Some(Ok(_)) => {}
                        }
                        if !pause.is_zero() {
                            sleep(pause).await;
                        }
                    }
                })
            }
            Surface::Batch { items, concurrency, max_errors, timeout, equal } => {
                let batch = program.batch((0..*items).map(|i| input(if *equal { 0 } else { i })));
                let batch = batch.concurrency(*concurrency);
                let batch = max_errors.iter().fold(batch, |batch, most| batch.max_errors(*most));
                let batch = timeout.iter().fold(batch, |batch, time| batch.timeout(*time));
                Box::pin(async move { Outcome::Many(batch.await) })
            }
        }
    }

    /// Makes the call as its actor does, and drops it.
    async fn act<'a>(&self, call: Pin<Box<dyn Future<Output = Outcome> + 'a>>) -> Outcome {
        let call =
            AssertUnwindSafe(call).catch_unwind().map(|outcome| outcome.unwrap_or_else(Outcome::Panic));
        match self.actor {
            Actor::Patient => timeout(FOR_EVER, call).await.unwrap_or(Outcome::Left),
            Actor::Leaves(after) => timeout(after, call).await.unwrap_or(Outcome::Left),
            Actor::LeavesAtPoll(polls) => {
                let (mut call, mut left) = (pin!(call), polls);
                let polled = poll_fn(|context| match left.checked_sub(1) {
                    None => Poll::Ready(Outcome::Left),
                    Some(less) => {
                        left = less;
                        call.as_mut().poll(context)
                    }
                });
                timeout(FOR_EVER, polled).await.unwrap_or(Outcome::Left)
            }
            Actor::Slow(pause) => {
                let mut call = pin!(call);
                for _ in 0..POLLS {
                    let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                    if let Poll::Ready(outcome) = polled {
                        return outcome;
                    }
                    sleep(pause).await;
                }
                Outcome::Left
            }
        }
    }

    fn items(&self) -> u32 {
        if let Surface::Batch { items, .. } = self.surface { items as u32 } else { 1 }
    }

    fn ends_in_time(&self, world: &World, took: Duration, outcome: &Outcome) {
        let calls = self.stacks.iter().map(Stack::longest);
        let call = calls.reduce(|one, other| Some(one?.max(other?))).flatten();
        let longest = self.program.longest(call);
        let longest = match self.surface {
            Surface::Batch { timeout: Some(timeout), .. } => {
                Some(longest.map_or(timeout, |longest| longest.min(timeout)))
            }
            _ => longest,
        };
        let Some(longest) = longest.filter(|_| world.is_prompt()) else { return };
        let longest = (longest + SLACK) * self.items();
        world.check(took <= longest, || format!("it took {took:?}, not {longest:?} at most"));
        let ended = longest >= FOR_EVER || !matches!((outcome, &self.actor), (Outcome::Left, Actor::Patient));
        world.check(ended, || format!("it did not end, though it takes {longest:?} at most"));
    }

    fn sends_no_more_than_it_may(&self, world: &World) {
        let each = self.stacks.iter().map(Stack::most_calls).max().unwrap_or(1);
        let most = self.program.most_calls() * each * u64::from(self.items());
        world.check(world.calls() <= most, || format!("{} calls were sent, {most} at most", world.calls()));
        if let Some(budget) = self.program.budget() {
            let budget = budget * u64::from(self.items());
            let sent = world.calls();
            world.check(sent <= budget, || format!("{sent} calls were sent within a budget of {budget}"));
        }
    }

    fn counts_what_it_sent(&self, world: &World, outcome: &Outcome) {
        let usage = match outcome {
            Outcome::One(Ok(prediction)) => prediction.usage(),
            Outcome::One(Err(error)) => error.usage(),
            Outcome::Many(batch) => batch.usage(),
            Outcome::Panic(_) | Outcome::Left => return,
        };
        let (counted, sent) = (usage.sent_calls(), world.calls());
        let (tokens, answered) = (usage.total_tokens(), world.tokens());
        world
            .check(tokens <= answered, || format!("{tokens} tokens are in the usage, {answered} were spent"));
        // Calls are counted when they are sent, so dropped ones count too.
        world.check(counted >= sent, || format!("{sent} calls were sent, {counted} are in the usage"));
    }

    fn is_typed(&self, world: &World, outcome: &Outcome) {
        if let Outcome::Panic(panic) = outcome {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let is_batch = matches!(self.surface, Surface::Batch { .. });
            let may = text == PANIC && !is_batch && !self.program.catches_panics();
            world.check(may, || format!("a panic comes out: {text}"));
        }
        if let Outcome::Many(batch) = outcome {
            let items = self.items() as usize;
            world.check(batch.len() == items, || format!("{} of {items} items come back", batch.len()));
        }
    }

    fn shows_no_secret(&self, world: &World, program: &Any, outcome: &Outcome, log: &CapturedLog) {
        let error = |error: &Error| {
            checks::shows_no_secret(world, "an error", error);
            checks::no_secret(world, "an error's text", &error.to_string());
            error.rollouts().iter().for_each(|one| checks::no_secret(world, "a report", &one.to_string()));
        };
        match outcome {
            Outcome::One(Ok(prediction)) => {
                checks::shows_no_secret(world, "a prediction", prediction);
                checks::shows_no_secret(world, "a trace", prediction.trace());
                prediction
                    .rollouts()
                    .iter()
                    .for_each(|one| checks::no_secret(world, "a report", &one.to_string()));
            }
            Outcome::One(Err(failed)) => error(failed),
            Outcome::Many(batch) => {
                checks::shows_no_secret(world, "a batch", batch);
                batch.errors().for_each(|(_, failed)| error(failed));
            }
            Outcome::Panic(_) | Outcome::Left => {}
        }
        for lm in &world.parts().lms {
            checks::shows_no_secret(world, "an LM", lm);
            checks::shows_no_secret(world, "a history", &lm.history());
            let mut printed = Vec::new();
            lm.inspect_history_to(100, &mut printed).unwrap();
            checks::no_secret(world, "a printed history", &String::from_utf8_lossy(&printed));
        }
        let state = serde_json::to_string(&program.dump_state()).unwrap_or_default();
        checks::no_secret(world, "a state", &state);
        checks::no_secret(world, "the log", &log.text());
    }

    /// Checks that calls pass at once after all faults are healed.
    async fn goes_on(&self, world: &World) {
        world.heal();
        sleep(UNTIL_ALL_IS_QUIET).await;
        let lms = world.parts().lms.clone();
        let start = Instant::now();
        for (i, lm) in lms.iter().enumerate() {
            let request =
                |text: String| Request::new(vec![Message::user(text)]).config(Config::new().max_tokens(1));
            let calls = (0..3).map(|call| lm.complete(request(format!("are you well? {i} {call}"))));
            let outcomes = timeout(FOR_EVER, futures_util::future::join_all(calls)).await;
            world.check(outcomes.is_ok(), || "calls after the run never end".into());
            for outcome in outcomes.unwrap_or_default() {
                world.check(outcome.is_ok(), || format!("a call after the run fails: {:?}", outcome.err()));
            }
            // So that requests through another LM are no part of its minute.
            sleep(Duration::from_secs(61)).await;
        }
        let waited = start.elapsed() - Duration::from_secs(61) * lms.len() as u32;
        world.check(waited <= SLACK, || format!("calls after the run wait for {waited:?}"));
        checks::nothing_stays(world);
    }
}

fn summary(outcome: &Outcome) -> String {
    let one = |result: &Result<Prediction<String>>| match result {
        Ok(prediction) => format!(
            "`{}`, reward {:?}, stop {:?}, {} calls",
            **prediction,
            prediction.reward(),
            prediction.stop_reason(),
            prediction.usage().calls
        ),
        Err(error) => format!("{error:#}, {} calls", error.usage().calls),
    };
    match outcome {
        Outcome::One(result) => one(result),
        Outcome::Many(batch) => {
            let items: Vec<_> = batch.iter().map(|item| one(&item.result)).collect();
            format!("{:?}: {}", batch.stop_reason(), items.join(" | "))
        }
        Outcome::Panic(_) => "panics".into(),
        Outcome::Left => "is left".into(),
    }
}
