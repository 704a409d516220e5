//! Reads the tool calls of a choice, whole or put together from a stream's pieces.

use serde_json::{Value, json};

use crate::data::ToolCall;

/// Tool calls so far, in order.
#[derive(Default)]
pub(super) struct ToolCalls(Vec<CallEntry>);

struct CallEntry {
    index: Option<u64>,
    call: ToolCall,
}

/// The addition of one piece: the index of its call, and its new name or arguments.
pub(super) struct Added<'a> {
    pub(super) call: usize,
    pub(super) name: Option<&'a str>,
    pub(super) arguments: &'a str,
}

/// The memory of a call besides its texts.
const EACH: usize = 2 * size_of::<CallEntry>();

impl ToolCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a stream's piece or a whole call. `take` accounts for the kept bytes; `added` gets the addition, if there is one.
    ///
    /// # Errors
    /// `take`'s.
    pub(super) fn add<E>(
        &mut self,
        piece: &Value,
        mut take: impl FnMut(usize) -> Result<(), E>,
        added: impl FnOnce(Added<'_>),
    ) -> Result<(), E> {
        let (index, id) = (piece["index"].as_u64(), piece["id"].as_str().unwrap_or_default());
        let function = &piece["function"];
        let name = function["name"].as_str().unwrap_or_default();
        // Ollama's own API sends the arguments as an object.
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let at = match self.place(index, id, name) {
            Some(at) => at,
            None if id.is_empty() && name.is_empty() => return Ok(()),
            None => {
                take(EACH)?;
                self.0.push(CallEntry { index, call: ToolCall::default() });
                self.0.len() - 1
            }
        };
        let Some(CallEntry { call, .. }) = self.0.get_mut(at) else { return Ok(()) };
        if call.id.is_empty() && !id.is_empty() {
            take(id.len())?;
            id.clone_into(&mut call.id);
        }
        let is_named_now = call.name.is_empty() && !name.is_empty();
        if is_named_now {
            take(name.len())?;
            name.clone_into(&mut call.name);
        }
        take(arguments.len())?;
        call.arguments += &arguments;
        added(Added { call: at, name: is_named_now.then_some(name), arguments: &arguments });
        Ok(())
    }

    /// The index of the call that a piece belongs to; `None` if it begins one.
    fn place(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        // Some servers give all calls the index 0, and different ids.
        let is_its = |entry: &CallEntry| id.is_empty() || entry.call.id.is_empty() || entry.call.id == id;
        match index {
            Some(_) => self.0.iter().rposition(|entry| entry.index == index && is_its(entry)),
            None if !id.is_empty() => self.0.iter().rposition(|entry| entry.call.id == id),
            None if !name.is_empty() => None,
            None => self.0.len().checked_sub(1),
        }
    }

    /// The calls as JSON, in the form of a whole answer.
    pub(super) fn into_json(self) -> Value {
        let whole = |CallEntry { call: ToolCall { id, name, arguments }, .. }| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } });
        self.0.into_iter().map(whole).collect()
    }

    /// The calls of a whole answer. Calls without a name are dropped; those without an id get one.
    pub(super) fn read(calls: &Value) -> Vec<ToolCall> {
        let mut all = Self::default();
        for call in calls.as_array().into_iter().flatten() {
            let Ok(()) = all.add(call, |_| Ok::<_, std::convert::Infallible>(()), |_| {});
        }
        let calls = all.0.into_iter().map(|entry| entry.call).filter(|call| !call.name.is_empty());
        let mut calls: Vec<_> = calls.collect();
        for (at, call) in calls.iter_mut().enumerate().filter(|(_, call)| call.id.is_empty()) {
            call.id = format!("call_{at}");
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(pieces: &Value) -> Vec<ToolCall> {
        let mut calls = ToolCalls::default();
        for piece in pieces.as_array().unwrap() {
            calls.add(piece, |_| Ok::<_, ()>(()), |_| {}).unwrap();
        }
        ToolCalls::read(&calls.into_json())
    }

    #[test]
    fn pieces_are_put_together_by_index_by_id_or_in_order() {
        let expected = [ToolCall::new("a", "f", r#"{"x":1}"#), ToolCall::new("b", "g", "{}")];
        let by_index = json!([
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
            {"index": 0, "function": {"arguments": "{\"x\""}},
            {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}},
            {"index": 0, "function": {"arguments": ":1}"}},
            {"index": 1, "id": "b", "function": {"name": "g", "arguments": "}"}},
        ]);
        let all_zero = json!([
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}},
        ]);
        let by_id = json!([
            {"id": "a", "function": {"name": "f", "arguments": "{\"x\""}},
            {"function": {"arguments": ":1}"}},
            {"id": "b", "function": {"name": "g", "arguments": {}}},
        ]);
        for pieces in [by_index, all_zero, by_id] {
            assert_eq!(put_together(&pieces), expected, "{pieces}");
        }
    }

    #[test]
    fn calls_without_an_id_get_one_and_those_without_a_name_are_left_out() {
        let calls = json!([{"function": {"name": "f", "arguments": {"x": 1}}}, {"function": {"name": "g"}}, {"id": "c"}, 7, null]);
        let expected = [ToolCall::new("call_0", "f", r#"{"x":1}"#), ToolCall::new("call_1", "g", "")];
        assert_eq!(ToolCalls::read(&calls), expected);
        assert!(ToolCalls::read(&json!({"a": 1})).is_empty());
    }

    #[test]
    fn a_call_that_is_too_large_is_refused() {
        let piece = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "x".repeat(50)}});
        let mut room = EACH + 20;
        let take = |bytes: usize| room.checked_sub(bytes).map(|left| room = left).ok_or(());
        assert!(ToolCalls::default().add(&piece, take, |_| {}).is_err());
    }
}
