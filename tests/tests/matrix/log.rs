//! Captures karat's log on this thread: each cell runs on one.

use std::{cell::RefCell, fmt};

use tracing::{Level, Metadata, Subscriber, field::Visit, span};

thread_local! {
    static CAPTURED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps karat's events of every level but the finest.
pub struct Log;

/// Clears the log.
pub fn forget() {
    CAPTURED.with(|text| text.borrow_mut().clear());
}

/// The log since it was cleared.
pub fn captured() -> String {
    CAPTURED.with(|text| text.borrow().clone())
}

struct Text;

impl Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        CAPTURED.with(|text| *text.borrow_mut() += &format!("{}={value:?} ", field.name()));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("karat") && *metadata.level() <= Level::DEBUG
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut Text);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Text);
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Text);
        CAPTURED.with(|text| text.borrow_mut().push('\n'));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
