//! A fault of a server, and the expected outcome of a request that meets it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use karat::{Error, ErrorKind, Prediction, lm::Timeouts};
use karat_tests::{Received, Reply, reply, server::Greeting};

use super::subject::{QaOutput, Surface};

/// The text of every good answer, and its form in a completion.
pub const PARIS: &str = "Paris";
pub const GOOD: &str = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]";

/// A good answer in the requested form.
pub fn good(request: &Received) -> Reply {
    said(request, GOOD)
}

/// A model's text, in the requested form.
pub fn said(request: &Received, text: &str) -> Reply {
    if request.is_streamed() { Reply::events(text, 7.max(text.len() / 64)) } else { Reply::text(text) }
}

/// The expected outcome of a request that meets the fault.
#[derive(Clone, Copy, Debug)]
pub enum Class {
    /// It is retried after a wait, within the attempts and the deadline; else it fails with this kind.
    Retry(ErrorKind, Wait),
    /// Nobody listens on this machine: it is retried for five seconds, over all calls to the server.
    Refused,
    /// It fails with this kind, and is not retried.
    Fail(ErrorKind),
    /// The answer cannot be parsed: it is asked for once more, with the mistake.
    Parse,
    /// It gets an answer.
    Reads,
}

/// The wait before the next attempt.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// The client's own back-off.
    Own,
    /// The wait that the server asks for.
    Asked(Duration),
}

/// The reply to a request.
pub type Script = Arc<dyn Fn(&Received, &Around) -> Reply + Send + Sync>;

/// Where a fault occurs.
#[derive(Clone)]
pub enum Place {
    /// In the answer to a request.
    Reply(Script),
    /// In the beginning of a connection; nothing of the request is seen.
    Connection(Greeting),
    /// Nobody listens.
    Gone,
    /// The address is wrong: it begins with this, before host and port.
    Address(&'static str),
}

/// The surroundings of the server.
pub struct Around {
    /// Another server, which nobody may call.
    pub elsewhere: SocketAddr,
}

type CheckValue = fn(&Prediction<QaOutput>) -> bool;
type CheckError = fn(&Error) -> bool;

/// One fault, or one form of it.
#[derive(Clone)]
pub struct Fault {
    pub name: String,
    pub place: Place,
    pub class: Class,
    /// The expected outcome if the answer is streamed.
    pub streamed: Class,
    /// The time of an attempt that meets it; [`Duration::MAX`]: until the deadline.
    pub takes: Duration,
    /// It occurs only if the answer is streamed.
    pub needs_stream: bool,
    /// It cannot come and go.
    pub always: bool,
    /// It takes so long that it is run at the first attempt alone; another form of it is run everywhere.
    pub is_heavy: bool,
    pub deadline: Duration,
    pub timeouts: Timeouts,
    /// How a good connection begins.
    pub greeting: Greeting,
    pub question: &'static str,
    /// Checks the prediction.
    pub value: CheckValue,
    /// Checks the error, except for its kind.
    pub error: CheckError,
    /// A part of the warning that has to be logged.
    pub warns: Option<&'static str>,
    /// Whether a cache keeps the answer.
    pub is_kept: bool,
}

impl Fault {
    pub fn of(name: impl Into<String>, place: Place, class: Class) -> Self {
        Self {
            name: name.into(),
            place,
            class,
            streamed: class,
            takes: Duration::ZERO,
            needs_stream: false,
            always: false,
            is_heavy: false,
            deadline: Duration::from_secs(600),
            timeouts: Timeouts::new(),
            greeting: Greeting::Plain,
            question: "Capital of France?",
            value: |prediction| prediction.answer == PARIS && prediction.repairs().is_empty(),
            error: |_| true,
            warns: None,
            is_kept: true,
        }
    }

    /// The server replies so.
    pub fn reply(
        name: impl Into<String>,
        class: Class,
        reply: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::of(name, Place::Reply(Arc::new(move |request, _| reply(request))), class)
    }

    /// The model says so.
    pub fn said(name: impl Into<String>, class: Class, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::reply(name, class, move |request| said(request, &text))
    }

    /// An event stream with this body.
    pub fn events(name: impl Into<String>, class: Class, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::reply(name, class, move |_| Reply::status(200).typed("text/event-stream", body.clone()))
            .on_streams()
    }

    pub fn streamed(self, streamed: Class) -> Self {
        Self { streamed, ..self }
    }

    pub fn takes(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    pub fn on_streams(self) -> Self {
        Self { needs_stream: true, ..self }
    }

    pub fn always(self) -> Self {
        Self { always: true, ..self }
    }

    pub fn heavy(self) -> Self {
        Self { is_heavy: true, ..self }
    }

    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    pub fn greeting(self, greeting: Greeting) -> Self {
        Self { greeting, ..self }
    }

    pub fn asked(self, question: &'static str) -> Self {
        Self { question, ..self }
    }

    pub fn value(self, value: CheckValue) -> Self {
        Self { value, ..self }
    }

    pub fn error(self, error: CheckError) -> Self {
        Self { error, ..self }
    }

    pub fn warns(self, words: &'static str) -> Self {
        Self { warns: Some(words), ..self }
    }

    pub fn not_kept(self) -> Self {
        Self { is_kept: false, ..self }
    }

    /// The expected outcome of such a call.
    pub fn class(&self, is_streamed: bool) -> Class {
        if is_streamed { self.streamed } else { self.class }
    }

    /// Whether it can occur on this surface at all.
    pub fn is_on(&self, surface: Surface) -> bool {
        !self.needs_stream || !matches!(surface, Surface::Predict | Surface::Batch)
    }
}

/// The head of an answer whose body ends with its connection, or as these header lines say.
pub fn ok_head(content_type: &str, lines: &[&str]) -> String {
    let content_type = format!("content-type: {content_type}");
    let all: Vec<_> = std::iter::once(&*content_type).chain(lines.iter().copied()).collect();
    reply::head("200 OK", &all)
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
