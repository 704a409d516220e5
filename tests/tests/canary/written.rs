//! All that was written: what surfaces gave, and what the process's logs were told, by every crate at every level.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use karat::{Error, Prediction, Result, lm::Response};
use tracing::{Event, Metadata, Subscriber, field::Visit, span};

use crate::{told, told_of};

#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<String>>);

impl Written {
    /// From now on; the logs are those of the whole process.
    pub fn of_the_process() -> Self {
        let written = Self::default();
        tracing::subscriber::set_global_default(written.clone()).unwrap();
        log::set_boxed_logger(Box::new(written.clone())).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let (usual, own) = (std::panic::take_hook(), written.clone());
        std::panic::set_hook(Box::new(move |panic| {
            own.add("panic", panic.to_string());
            usual(panic);
        }));
        written
    }

    pub fn add(&self, place: &str, text: impl AsRef<str>) {
        writeln!(self.0.lock().unwrap(), "{place}: {}", text.as_ref()).unwrap();
    }

    pub fn error(&self, place: &str, error: &Error) {
        self.add(place, told(error));
    }

    pub fn outcome<O: Debug>(&self, place: &str, outcome: Result<Prediction<O>>) {
        match outcome {
            Ok(prediction) => self.add(place, told_of(&prediction)),
            Err(error) => self.error(place, &error),
        }
    }

    pub fn response(&self, place: &str, outcome: Result<Response>) {
        match outcome {
            Ok(response) => {
                self.add(place, format!("{response:?} {}", serde_json::to_string(&response).unwrap()))
            }
            Err(error) => self.error(place, &error),
        }
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// # Panics
    /// If something is missing that would be there had all been heard: silence proves nothing.
    pub fn assert_heard(&self) {
        let text = self.text();
        for part in [
            "status=401",
            "hyper",
            "reqwest",
            "tries again",
            "event: karat",
            "span: karat::rollout",
            "panicked at",
            "Paris",
            "[key]",
            "holds a user name or password",
            "a redirect",
            "compressed",
        ] {
            assert!(text.contains(part), "`{part}` was not heard in {} bytes", text.len());
        }
    }
}

impl Visit for Written {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?} {field}={value:#?}").unwrap();
    }
}

impl Subscriber for Written {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.add("span", span.metadata().target());
        self.add("span", span.metadata().name());
        span.record(&mut self.clone());
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        self.add("event", event.metadata().target());
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl log::Log for Written {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.add("log", format!("{} {:?}", record.target(), record.args()));
    }
    fn flush(&self) {}
}
