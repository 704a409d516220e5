//! Learns from a provider's refusals which rungs of an adapter's ladder it takes.
//!
//! A provider says 400 to a form that it does not know, and to much else: a proxy that hiccups, a server that is being restarted. A
//! refusal counts only if the next rung down was taken in the same call. If its message names the form, it counts for good; if not, it
//! may have passed already, and the rung is tried again: at the next call, then after 1, 3, 7, .. calls as long as it is refused.

use std::sync::{Mutex, PoisonError};

use karat_lm::Error;

/// The words by which servers call a form of answer, in lower case.
const FORMS: [&str; 10] = [
    "response_format",
    "response format",
    "responseformat",
    "schema",
    "json_object",
    "json mode",
    "structured_output",
    "structured output",
    "guided_",
    "grammar",
];

/// The most calls that begin below a rung before it is tried again.
const LONGEST: u32 = 1023;

/// What is known of a ladder's rungs.
#[derive(Default)]
pub(super) struct Ladder {
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    /// The rungs above this one were refused by name.
    first: usize,
    doubt: Option<Doubt>,
}

/// A rung that was refused by an error that does not name its form.
#[derive(Clone, Copy)]
struct Doubt {
    /// The rung that was taken in its place.
    taken: usize,
    /// How often in a row it was refused.
    refusals: u32,
    /// How many calls more begin below it.
    calls: u32,
}

/// Where a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) rung: usize,
    /// How often in a row the rung was refused when the call began.
    refusals: u32,
    /// Whether the call begins below a rung that is in doubt, about which it then teaches nothing.
    is_below: bool,
}

/// A rung that was refused in a call.
#[derive(Clone, Copy)]
pub(super) struct Refusal {
    pub(super) rung: usize,
    pub(super) is_named: bool,
}

/// What the ladder learned from a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// Refused rungs are not tried again.
    ForGood,
    /// A rung was refused for the first time, and is tried again.
    ForNow,
    /// Nothing that was not known.
    Nothing,
}

impl Ladder {
    /// Where the next call begins.
    pub(super) fn start(&self) -> Start {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.first;
        match &mut known.doubt {
            Some(Doubt { taken, refusals, calls }) if *calls > 0 => {
                *calls -= 1;
                Start { rung: *taken, refusals: *refusals, is_below: true }
            }
            doubt => {
                Start { rung: first, refusals: doubt.map_or(0, |doubt| doubt.refusals), is_below: false }
            }
        }
    }

    /// Learns from a call that began at `start` and was answered at `taken`, after these refusals in their order.
    pub(super) fn learn(&self, start: Start, refused: &[Refusal], taken: usize) -> Lesson {
        let unnamed = refused.iter().find(|refusal| !refusal.is_named).map(|refusal| refusal.rung);
        let is_named = refused.first().is_some_and(|refusal| refusal.is_named);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if start.is_below {
            if let (true, None, Some(doubt)) = (is_named, unnamed, &mut known.doubt) {
                doubt.taken = taken;
            }
            return Lesson::Nothing;
        }
        // Rungs refused by name below a rung in doubt are refused again when that rung is tried again.
        let first = if is_named { unnamed.unwrap_or(taken) } else { 0 };
        let is_news = known.first < first;
        known.first = known.first.max(first);
        let before = known.doubt.map_or(0, |doubt| doubt.refusals);
        if unnamed.is_none() {
            known.doubt = None;
        } else if before == start.refusals {
            // Calls that were on their way together count once: what they met may have passed together.
            let refusals = before.saturating_add(1);
            let calls = 2_u32.saturating_pow(refusals - 1).saturating_sub(1).min(LONGEST);
            known.doubt = Some(Doubt { taken, refusals, calls });
        }
        match (is_news, unnamed, before) {
            (true, ..) => Lesson::ForGood,
            (false, Some(_), 0) => Lesson::ForNow,
            _ => Lesson::Nothing,
        }
    }
}

/// True if the error says that a form of answer was refused, and no other part of the request. A server's error says so by its
/// words; that of a model of the program's own, which has no status, by its kind. The text may contain the model's name, which
/// may be called like a form.
pub(super) fn names_form(error: &Error, model: &str) -> bool {
    if error.status().is_none() {
        return true;
    }
    let text = error.to_string().replace(model, "").to_lowercase();
    FORMS.iter().any(|form| text.contains(form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use karat_lm::ErrorKind;

    fn refusal(rung: usize, is_named: bool) -> Refusal {
        Refusal { rung, is_named }
    }

    #[test]
    fn a_rung_that_is_refused_by_name_is_not_tried_again() {
        let ladder = Ladder::default();
        assert_eq!(ladder.learn(ladder.start(), &[refusal(0, true)], 1), Lesson::ForGood);
        assert_eq!(ladder.start().rung, 1);
        assert_eq!(ladder.learn(ladder.start(), &[], 1), Lesson::Nothing);
        assert_eq!(ladder.start().rung, 1);
    }

    #[test]
    fn a_rung_that_is_refused_without_a_word_is_tried_again_ever_less_often() {
        let ladder = Ladder::default();
        let mut tried = Vec::new();
        for call in 0..40 {
            let start = ladder.start();
            if start.rung == 0 {
                tried.push(call);
                ladder.learn(start, &[refusal(0, false)], 2);
            } else {
                assert_eq!(start.rung, 2);
                ladder.learn(start, &[], 2);
            }
        }
        assert_eq!(tried, [0, 1, 3, 7, 15, 31]);
    }

    #[test]
    fn a_refusal_that_has_passed_is_forgotten() {
        let ladder = Ladder::default();
        assert_eq!(ladder.learn(ladder.start(), &[refusal(0, false)], 1), Lesson::ForNow);
        ladder.learn(ladder.start(), &[refusal(0, false)], 1);
        assert_eq!(ladder.start().rung, 1);
        ladder.learn(ladder.start(), &[], 0);
        for _ in 0..3 {
            let start = ladder.start();
            assert_eq!(start, Start { rung: 0, refusals: 0, is_below: false });
            ladder.learn(start, &[], 0);
        }
    }

    #[test]
    fn refusals_of_calls_that_were_on_their_way_together_count_once() {
        let ladder = Ladder::default();
        let starts = [(); 100].map(|()| ladder.start());
        for start in starts {
            ladder.learn(start, &[refusal(0, false)], 1);
        }
        assert_eq!(ladder.start().rung, 0, "they may all have met what has passed");
    }

    #[test]
    fn of_two_refusals_the_one_by_name_counts_for_good() {
        let ladder = Ladder::default();
        let lesson = ladder.learn(ladder.start(), &[refusal(0, true), refusal(1, false)], 2);
        assert_eq!((lesson, ladder.start().rung), (Lesson::ForGood, 1));
        let ladder = Ladder::default();
        ladder.learn(ladder.start(), &[refusal(0, false), refusal(1, true)], 2);
        assert_eq!(ladder.start().rung, 0, "whether the upper one is taken is not known");
        ladder.learn(ladder.start(), &[refusal(0, false), refusal(1, true)], 2);
        assert_eq!(ladder.start().rung, 2);
    }

    #[test]
    fn a_form_is_known_by_the_words_of_servers_and_not_by_a_models_name() {
        let model = "openai/json-schema-grammar";
        let is_named = |what: &str| {
            let text = format!("`{model}` at host: the request is wrong: {what}");
            names_form(&Error::new(ErrorKind::BadRequest, text).with_status(400), model)
        };
        for what in [
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            "Invalid schema for response_format 'Review'",
            "Unrecognized request argument supplied: structured_outputs",
            "'json_object' is not supported",
            "Failed to parse grammar",
            "JSON mode is not enabled for this model",
        ] {
            assert!(is_named(what), "{what}");
        }
        for what in ["", "Bad Request", "upstream hiccup", "Unsupported parameter: 'temperature'", "no body"]
        {
            assert!(!is_named(what), "{what}");
        }
    }
}
