//! The text of a completion while it is written, held once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Delta, DeltaPart};

/// The text of a completion while it is written: whoever writes it shares it with those who may have to say what came of it.
#[derive(Clone, Default)]
pub(super) struct Draft(Arc<Mutex<String>>);

impl Draft {
    fn lock(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a text, of which `room` bytes at most may ever follow what is there.
    pub(super) fn push(&self, text: &str, room: usize) {
        append(&mut self.lock(), text, room);
    }

    /// Looks at the text.
    pub(super) fn with<T>(&self, look: impl FnOnce(&str) -> T) -> T {
        look(&self.lock())
    }

    /// The text, which is then in nobody's hands but the caller's.
    pub(super) fn take(&self) -> String {
        std::mem::take(&mut *self.lock())
    }

    /// The text. Whoever else has the draft keeps it.
    pub(super) fn finish(self) -> String {
        match Arc::try_unwrap(self.0) {
            Ok(text) => text.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => Self(shared).lock().clone(),
        }
    }

    /// True if it has this text behind its first bytes, and nothing else.
    fn is(&self, start: usize, text: &str) -> bool {
        self.lock().get(start..) == Some(text)
    }
}

/// How far what comes in pieces grows by doubling. Beyond, it is given all the room that it may ever need: while it grows, its old
/// memory is held beside the new.
const STEPWISE: usize = 4 << 20;

/// Adds to a text, of which `room` bytes at most may ever follow what is there.
pub(super) fn append(text: &mut String, more: &str, room: usize) {
    let length = text.len().saturating_add(more.len());
    if length > text.capacity() {
        text.reserve_exact(grown(length, text.len().saturating_add(room)) - text.len());
    }
    text.push_str(more);
}

/// The capacity to give to what is this long by now and holds `most` bytes in the end: never less than it needs.
pub(super) fn grown(length: usize, most: usize) -> usize {
    let wanted = if length > STEPWISE { most } else { 2 * length };
    wanted.max(length)
}

/// The first completion's text as far as it was told: the draft of whoever writes it, else a text of its own.
#[derive(Default)]
pub(super) struct Heard {
    draft: Option<Draft>,
    own: String,
    length: usize,
}

impl Heard {
    /// Takes what is told.
    pub(super) fn note(&mut self, delta: Delta<'_>) {
        if delta.completion != 0 || delta.part != DeltaPart::Text {
            return;
        }
        // A model around another one may change what that one tells: then the draft is not what was told.
        let start = self.length;
        self.length += delta.text.len();
        let draft = delta.draft.filter(|draft| draft.is(start, delta.text));
        match (draft, &self.draft) {
            (Some(draft), Some(kept)) if Arc::ptr_eq(&draft.0, &kept.0) => {}
            (Some(draft), None) if start == 0 => self.draft = Some(draft.clone()),
            _ => {
                if let Some(kept) = self.draft.take() {
                    self.own = kept.lock().get(..start).unwrap_or_default().to_owned();
                }
                self.own.push_str(delta.text);
            }
        }
    }

    /// The text; `None` if nothing was told. It is gone then.
    pub(super) fn take(&mut self) -> Option<String> {
        let text = match self.draft.take() {
            Some(draft) => draft.take(),
            None => std::mem::take(&mut self.own),
        };
        Some(text).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard of pieces: each with its draft's text by then, if it has one.
    fn heard(pieces: &[(&str, Option<&str>)]) -> Option<String> {
        let (draft, mut heard) = (Draft::default(), Heard::default());
        for (text, whole) in pieces {
            let mut delta = Delta::text(0, text);
            if let Some(whole) = whole {
                *draft.lock() = (*whole).to_owned();
                delta.draft = Some(&draft);
            }
            heard.note(delta);
        }
        heard.take()
    }

    #[test]
    fn what_was_told_is_heard_whoever_keeps_it() {
        assert_eq!(heard(&[]), None);
        assert_eq!(heard(&[("a", None), ("b", None)]).as_deref(), Some("ab"));
        assert_eq!(heard(&[("a", Some("a")), ("b", Some("ab"))]).as_deref(), Some("ab"));
    }

    #[test]
    fn what_is_told_otherwise_than_it_was_written_is_heard_as_it_is_told() {
        assert_eq!(heard(&[("a", Some("a")), ("x", Some("ab"))]).as_deref(), Some("ax"));
        assert_eq!(heard(&[("a", Some("a")), ("!", None), ("b", Some("ab"))]).as_deref(), Some("a!b"));
        assert_eq!(heard(&[("a", Some("a")), ("c", Some("abc"))]).as_deref(), Some("ac"));
        assert_eq!(heard(&[("b", Some("ab")), ("c", Some("abc"))]).as_deref(), Some("bc"));
    }

    #[test]
    fn a_draft_grows_by_doubling_and_then_to_all_that_it_may_need() {
        let cap = 16 << 20;
        let mut text = String::new();
        let piece = "x".repeat(100_000);
        while text.len() + piece.len() <= cap {
            let room = cap - text.len();
            append(&mut text, &piece, room);
            assert!(text.capacity() <= cap && (text.len() > STEPWISE || text.capacity() <= 2 * STEPWISE));
        }
        assert_eq!(text.capacity(), cap);
    }

    #[test]
    fn a_finished_draft_is_still_there_for_others() {
        let draft = Draft::default();
        draft.push("ab", 2);
        let other = draft.clone();
        assert_eq!((draft.finish(), other.take(), other.finish()), ("ab".into(), "ab".into(), String::new()));
    }
}
