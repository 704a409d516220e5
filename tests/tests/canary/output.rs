//! Collects all output: the results of surfaces, and the process's logs of every crate at every level.

use std::fmt::Debug;

use karat::{Error, Prediction, Result, lm::Response};

use crate::{error_text, prediction_text, spans_and_events::Log};

#[derive(Clone)]
pub struct Output(Log);

impl Output {
    /// Collects from now on; the logs are those of the whole process.
    pub fn of_the_process() -> Self {
        let written = Self(Log::of_the_process());
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
        self.0.add(place, text);
    }

    pub fn error(&self, place: &str, error: &Error) {
        self.add(place, error_text(error));
    }

    pub fn outcome<O: Debug>(&self, place: &str, outcome: Result<Prediction<O>>) {
        match outcome {
            Ok(prediction) => self.add(place, prediction_text(&prediction)),
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
        self.0.text()
    }

    /// # Panics
    /// If an expected text is missing: silence proves nothing.
    pub fn assert_heard(&self) {
        let text = self.text();
        for part in [
            "status=401",
            "hyper",
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

impl log::Log for Output {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.add("log", format!("{} {:?}", record.target(), record.args()));
    }
    fn flush(&self) {}
}
