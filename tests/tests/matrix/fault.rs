//! A fault as a server shows it, and what is to come of one request that meets it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use karat::{Error, ErrorKind, Prediction, lm::Timeouts};
use karat_tests::{Received, Reply, reply, server::Greeting};

use super::subject::{QaOutput, Surface};

/// What every good answer says, and how a model writes it.
pub const PARIS: &str = "Paris";
pub const GOOD: &str = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]";

/// A good answer in the form that is asked for.
pub fn good(request: &Received) -> Reply {
    said(request, GOOD)
}

/// What a model says, in the form that is asked for.
pub fn said(request: &Received, text: &str) -> Reply {
    if request.is_streamed() { Reply::events(text, 7.max(text.len() / 64)) } else { Reply::text(text) }
}

/// What comes of a request that meets the fault.
#[derive(Clone, Copy, Debug)]
pub enum Class {
    /// It is sent again after a wait, within the attempts and the deadline; else it fails with this kind.
    Retry(ErrorKind, Wait),
    /// Nobody listens on this machine: it is sent again for five seconds, all calls of the server together.
    Refused,
    /// It fails with this kind, and is not sent again.
    Fail(ErrorKind),
    /// The answer is read, and no output can be made of it: it is asked for once more, with what was wrong.
    Parse,
    /// It is an answer.
    Reads,
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// The back-off of the client's own.
    Own,
    /// What the server asks for.
    Told(Duration),
}

/// What is said to a request.
pub type Script = Arc<dyn Fn(&Received, &Around) -> Reply + Send + Sync>;

/// Where a fault shows.
#[derive(Clone)]
pub enum Place {
    /// In the answer to a request.
    Reply(Script),
    /// In the beginning of a connection; nothing of the request is seen.
    Connection(Greeting),
    /// Nobody listens.
    Gone,
    /// The address is wrong in this way: it begins so, before host and port.
    Address(&'static str),
}

/// What there is beside the server.
pub struct Around {
    /// Another server, which nobody is to ask.
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
    /// What comes of it where the answer is told while it is written.
    pub streamed: Class,
    /// How long an attempt takes that meets it; [`Duration::MAX`]: until the deadline.
    pub takes: Duration,
    /// It shows only where the answer is told while it is written.
    pub needs_stream: bool,
    /// It cannot come and go.
    pub always: bool,
    /// It takes so much work that it is run at the first attempt alone; another form of it is run at every place.
    pub is_heavy: bool,
    pub deadline: Duration,
    pub timeouts: Timeouts,
    /// What a good connection is.
    pub greeting: Greeting,
    pub question: &'static str,
    /// What the prediction that was read of it is to be.
    pub value: CheckValue,
    /// What its error is to be, the kind excepted.
    pub error: CheckError,
    /// A part of a warning that is to be logged.
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

    /// What comes of it on such a call.
    pub fn class(&self, is_streamed: bool) -> Class {
        if is_streamed { self.streamed } else { self.class }
    }

    /// Whether it can show on this surface at all.
    pub fn is_on(&self, surface: Surface) -> bool {
        !self.needs_stream || !matches!(surface, Surface::Predict | Surface::Batch)
    }
}

/// The head of an answer whose body ends with its connection, or as these lines say.
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
