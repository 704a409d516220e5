//! Compares a request with the nearest recorded one.

use serde_json::Value;

use crate::{
    data::{Request, redacted::RedactedRequest},
    text::shortened,
};

/// The first difference between two requests, and their distance.
pub(super) struct Difference {
    place: String,
    recorded: String,
    asked: String,
    distance: f64,
}

impl Difference {
    /// `None` if they are the same.
    pub(super) fn between(recorded: &Request, asked: &Request) -> Option<Self> {
        let json =
            |request: &Request| serde_json::to_value(RedactedRequest::new(request)).unwrap_or_default();
        let mut found = Vec::new();
        compare("", Some(&json(recorded)), Some(&json(asked)), &mut found);
        let distance = found.iter().map(|difference| difference.distance).sum();
        Some(Self { distance, ..found.into_iter().next()? })
    }

    pub(super) fn distance(&self) -> f64 {
        self.distance
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, recorded, asked, .. } = self;
        write!(f, "at `{place}`, where {recorded} was recorded and {asked} is asked")
    }
}

fn compare(place: &str, recorded: Option<&Value>, asked: Option<&Value>, found: &mut Vec<Difference>) {
    match (recorded, asked) {
        _ if recorded == asked => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let more = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(more) {
                let dot = if place.is_empty() { "" } else { "." };
                compare(&format!("{place}{dot}{name}"), one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                compare(&format!("{place}[{index}]"), one.get(index), other.get(index), found);
            }
        }
        (Some(Value::String(one)), Some(Value::String(other))) => found.push(of_texts(place, one, other)),
        _ => {
            let shown = |value: Option<&Value>| {
                value.map_or_else(
                    || "nothing".into(),
                    |value| format!("`{}`", shortened(&value.to_string(), 80)),
                )
            };
            let (recorded, asked) = (shown(recorded), shown(asked));
            found.push(Difference { place: place.into(), recorded, asked, distance: 1.0 });
        }
    }
}

/// The difference of two texts, shown on one line from a little before it.
fn of_texts(place: &str, one: &str, other: &str) -> Difference {
    const BEFORE: usize = 20;
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let shown = |text: &str| {
        let dots = if same > BEFORE { "..." } else { "" };
        let rest: String = text.chars().skip(same.saturating_sub(BEFORE)).collect();
        format!("`{dots}{}`", shortened(&rest, 80).replace('\n', "\\n"))
    };
    let longest = one.chars().count().max(other.chars().count()).max(1);
    // At most 1.0, the distance of other differences, however little is the same.
    let distance = 1.0 - same as f64 / longest as f64;
    Difference { place: place.into(), recorded: shown(one), asked: shown(other), distance }
}
