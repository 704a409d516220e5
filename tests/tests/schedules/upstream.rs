//! The endpoints: models that answer well, late, badly, in pieces, or never, as the seed says.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use fastrand::Rng;
use karat::{
    Error, ErrorKind, LanguageModel, Reply, Result, ScriptedLm, Usage,
    lm::{BoxFuture, Delta, Finish, Request, Response, Sink},
};
use serde_json::{Value, json};

use super::world::{Gauge, Meter, World};

/// The payload of a panic that is a part of the schedule.
pub const PANIC: &str = "a scheduled panic";

/// How reliable an endpoint is.
#[derive(Clone, Debug)]
pub struct Health {
    /// How many of 100 requests succeed.
    pub good: u32,
    /// The longest that an answer takes.
    pub slowest: Duration,
    /// Whether it may keep a request for ever, or panic.
    pub worst: bool,
    pub seed: u64,
}

/// One endpoint.
pub struct Endpoint {
    pub name: String,
    pub world: World,
    pub gauges: Vec<Arc<Gauge>>,
    pub meter: Arc<Meter>,
    pub health: Health,
    pub dice: Mutex<Rng>,
}

/// The outcome of a request.
enum Fate {
    Reply(Box<Reply>),
    Nothing(Duration),
    Never,
    Panic(Duration),
}

impl Endpoint {
    fn fate(&self, request: &Request) -> (String, Fate) {
        if self.world.is_healthy() {
            return ("well".into(), Fate::Reply(Box::new(good(request, "1.0"))));
        }
        let mut dice = self.dice.lock().unwrap();
        let slowest = self.health.slowest.as_millis() as u64;
        let delay = match dice.u8(..4) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(slowest),
            _ => Duration::from_millis(dice.u64(..=slowest)),
        };
        let pace = Duration::from_millis(if dice.bool() { 0 } else { dice.u64(..=slowest / 4) });
        if dice.u32(..100) < self.health.good {
            let answer = *dice.choice(&ANSWERS).unwrap();
            let reply = good(request, answer).delay(delay).pace(pace);
            let reply = if dice.u8(..4) == 0 { reply } else { reply.usage(usage(&mut dice)) };
            return (format!("`{answer}` in {delay:?}"), Fate::Reply(Box::new(reply)));
        }
        let (name, reply) = match dice.u8(..if self.health.worst { 12 } else { 9 }) {
            0..=3 => {
                let error = error(&mut dice);
                if error.kind() == ErrorKind::MissingKey {
                    self.world.was_not_sent();
                }
                (format!("{:?}", error.kind()), Reply::error(error))
            }
            4 => ("refused".into(), Reply::refusal("no, thank you")),
            5 => ("unreadable".into(), Reply::pieces(["nothing ", "but ", "words"])),
            6 => ("cut".into(), good(request, "0.5").cut(Error::new(ErrorKind::Connect, "the line is cut"))),
            7 => {
                let finish = if dice.bool() { Finish::Length } else { Finish::ContentFilter };
                (format!("{finish:?}"), Reply::pieces(["[[ ## ans"]).finish(finish))
            }
            8 => return ("no completion".into(), Fate::Nothing(delay)),
            9 => return (format!("panics in {delay:?}"), Fate::Panic(delay)),
            _ => return ("never answers".into(), Fate::Never),
        };
        (format!("{name} in {delay:?}"), Fate::Reply(Box::new(reply.delay(delay).pace(pace))))
    }

    async fn answer<'a>(&'a self, request: &'a Request, sink: Option<&'a mut Sink<'a>>) -> Result<Response> {
        let arrived = self.world.arrive(&self.gauges);
        self.meter.sent.fetch_add(1, Ordering::Relaxed);
        let (name, fate) = self.fate(request);
        let number = arrived.number;
        self.world.note(format!("call {number} to {}: {name}", self.name));
        let outcome = match fate {
            Fate::Never => std::future::pending().await,
            Fate::Panic(delay) => {
                tokio::time::sleep(delay).await;
                panic!("{PANIC}");
            }
            Fate::Nothing(delay) => {
                tokio::time::sleep(delay).await;
                Ok(Response::default())
            }
            Fate::Reply(reply) => {
                let script = ScriptedLm::new([*reply]);
                match sink {
                    None => script.call(request, None).await,
                    Some(sink) => {
                        let mut sink = |delta: Delta<'_>| sink(delta);
                        script.call(request, Some(&mut sink)).await
                    }
                }
            }
        };
        self.world.note(format!("call {number} ends"));
        if let Ok(response) = &outcome {
            self.meter.good.fetch_add(1, Ordering::Relaxed);
            self.world.add_tokens(response.usage.total_tokens());
        }
        arrived.end();
        outcome
    }
}

impl LanguageModel for Endpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.answer(request, sink))
    }
}

/// Texts of answers: rewards, or how the reward behaves.
const ANSWERS: [&str; 12] =
    ["0.1", "0.3", "0.5", "0.5", "0.7", "0.9", "1.0", "-1", "inf", "NaN", "panic", "error"];

/// An answer to any request.
fn good(request: &Request, answer: &str) -> Reply {
    let advice = || json!({ "self": "try again", "query": "and again" });
    if request.response_format.is_some() {
        // Fields that were not asked for are ignored.
        return Reply::fields([
            ("discussion", Value::from("it was bad")),
            ("advice", advice()),
            ("reasoning", Value::from("by heart")),
            ("query", Value::from(answer)),
            ("answer", Value::from(answer)),
        ]);
    }
    let wanted = request.prompt.last().rsplit("Now write").next().unwrap_or_default();
    if wanted.contains("discussion") {
        Reply::fields([("discussion", Value::from("it was bad")), ("advice", advice())])
    } else if wanted.contains("query") {
        Reply::fields([("query", answer)])
    } else if wanted.contains("reasoning") {
        Reply::fields([("reasoning", "by heart"), ("answer", answer)])
    } else {
        Reply::fields([("answer", answer)])
    }
}

fn usage(dice: &mut Rng) -> Usage {
    Usage::new().calls(1).prompt_tokens(dice.u64(..300)).completion_tokens(dice.u64(..300))
}

fn error(dice: &mut Rng) -> Error {
    use ErrorKind::*;
    const USUAL: [ErrorKind; 4] = [Connect, RateLimited, Server, Timeout];
    const OTHERS: [ErrorKind; 12] = [
        MissingKey,
        Auth,
        Quota,
        UnknownModel,
        BadRequest,
        ContextLength,
        Tls,
        BadResponse,
        TooLarge,
        Filtered,
        Config,
        Other,
    ];
    let kind = if dice.u8(..4) < 3 { dice.choice(&USUAL) } else { dice.choice(&OTHERS) };
    let mut error = Error::new(*kind.unwrap(), "a scheduled failure");
    if dice.u8(..3) == 0 {
        const WAITS: [u64; 6] = [0, 1, 700, 5_000, 90_000, u64::MAX / 1_000];
        error = error.with_retry_after(Duration::from_millis(*dice.choice(&WAITS).unwrap()));
    }
    if dice.u8(..6) == 0 {
        error = error.with_should_retry(dice.bool());
    }
    error
}
