//! A subscriber that keeps the spans of a test, and a program to trace.

#![allow(dead_code, unused_imports, reason = "each of the two tests uses its part")]

#[path = "../shared/mod.rs"]
mod shared;

use std::{
    collections::BTreeMap,
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use karat::{Lm, Module, Reply, ScriptedLm, lm::Usage};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry::LookupSpan};

pub use self::shared::*;

/// A recorded span or event.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub name: String,
    pub target: String,
    pub level: Level,
    pub fields: BTreeMap<String, String>,
    pub parent: Option<usize>,
    pub is_event: bool,
    pub is_closed: bool,
}

impl Recorded {
    /// A field's value as text; empty if there is none.
    pub fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

/// The spans and events of this thread since it began to listen.
#[derive(Clone, Default)]
pub struct Spans(Arc<Mutex<Vec<Recorded>>>);

impl Spans {
    /// Listens to this thread until the guard is dropped.
    pub fn listen() -> (Self, DefaultGuard) {
        let spans = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
        (spans, guard)
    }

    /// All spans and events of karat, in the order in which they began.
    pub fn all(&self) -> Vec<Recorded> {
        self.0.lock().unwrap().clone()
    }

    /// The spans and events of this name.
    pub fn named(&self, name: &str) -> Vec<Recorded> {
        self.all().into_iter().filter(|item| item.name == name).collect()
    }

    /// Every field's value.
    pub fn text(&self) -> String {
        format!("{:?}", self.all())
    }

    /// One line per span and event, indented below its parent, with these fields.
    pub fn tree(&self, fields: &[&str]) -> String {
        let all = self.all();
        let mut text = String::new();
        write_tree(&mut text, &all, None, 0, fields);
        text
    }
}

fn write_tree(text: &mut String, all: &[Recorded], parent: Option<usize>, depth: usize, fields: &[&str]) {
    for (index, item) in all.iter().enumerate().filter(|(_, item)| item.parent == parent) {
        write!(text, "{:indent$}{}", "", item.name, indent = depth * 2).unwrap();
        for field in fields.iter().filter_map(|field| item.fields.get(*field)) {
            write!(text, " {field}").unwrap();
        }
        text.push('\n');
        write_tree(text, all, Some(index), depth + 1, fields);
    }
}

/// The index of a span in the list.
struct Place(usize);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}

impl Spans {
    fn push(&self, item: Recorded) -> usize {
        let mut all = self.0.lock().unwrap();
        all.push(item);
        all.len() - 1
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        let place = self.push(Recorded {
            name: span.name().into(),
            target: span.metadata().target().into(),
            level: *span.metadata().level(),
            fields,
            parent: span.parent().and_then(|parent| Some(parent.extensions().get::<Place>()?.0)),
            is_event: false,
            is_closed: false,
        });
        span.extensions_mut().insert(Place(place));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let place = context.span(id).unwrap().extensions().get::<Place>().unwrap().0;
        values.record(&mut Fields(&mut self.0.lock().unwrap()[place].fields));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        if event.metadata().target().starts_with("karat") {
            self.push(Recorded {
                name: fields.get("message").cloned().unwrap_or_default(),
                target: event.metadata().target().into(),
                level: *event.metadata().level(),
                fields,
                parent: context.event_span(event).and_then(|span| Some(span.extensions().get::<Place>()?.0)),
                is_event: true,
                is_closed: true,
            });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let place = context.span(&id).unwrap().extensions().get::<Place>().unwrap().0;
        self.0.lock().unwrap()[place].is_closed = true;
    }
}

/// Texts that no span may have unless content is asked for.
pub const SECRETS: [&str; 4] = ["the-question", "the-thought", "the-answer", "the-query"];

pub fn ask() -> QaInput {
    QaInput { question: "the-question".into() }
}

/// An LM that answers both steps.
pub fn script() -> ScriptedLm {
    ScriptedLm::computed(|request| {
        let wants_query =
            request.prompt.iter().next().is_some_and(|system| system.content.contains("- `query`"));
        let reply = match wants_query {
            true => Reply::fields([("query", "the-query")]),
            false => Reply::fields([("reasoning", "the-thought"), ("answer", "the-answer")]),
        };
        let usage = Usage::new()
            .calls(1)
            .prompt_tokens(100)
            .completion_tokens(20)
            .cached_tokens(64)
            .reasoning_tokens(7);
        reply.usage(usage)
    })
    .named("acme/parrot-1")
}

pub fn two_steps(lm: &Lm) -> TwoSteps {
    let mut steps = TwoSteps::new();
    steps.set_lm(lm);
    steps
}
