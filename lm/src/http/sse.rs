//! Splits a byte stream into events by the WHATWG's HTML standard (section 9.2.6), in any chunks.

use super::transport::append;

/// The bytes of capacity that the buffer keeps for the next event.
const KEPT: usize = 1 << 20;

/// One event.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) data: Vec<u8>,
    /// The event is named `error`.
    pub(crate) is_error: bool,
}

/// Whether a body begins like an event stream, with `data:`, `event:` or a comment; `None` if more bytes are needed.
pub(crate) fn begins(body: &[u8]) -> Option<bool> {
    const STARTS: [&[u8]; 3] = [b"data:", b"event:", b":"];
    /// No event stream begins with more line ends.
    const MOST: usize = 256;
    let mark = "\u{feff}".as_bytes();
    if body.len() < mark.len() && mark.starts_with(body) {
        return None;
    }
    let body = body.strip_prefix(mark).unwrap_or(body);
    let ends = body.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let line = body.get(ends..).unwrap_or_default();
    if STARTS.iter().any(|start| line.starts_with(start)) {
        return Some(true);
    }
    let may_begin = ends <= MOST && STARTS.iter().any(|start| start.starts_with(line));
    if may_begin { None } else { Some(false) }
}

/// Takes bytes in any chunks and returns whole events.
#[derive(Default)]
pub(crate) struct Events {
    buffer: Vec<u8>,
    /// The start of the first unfinished line in the buffer.
    start: usize,
    /// The buffer has no further line end before this index.
    scanned: usize,
    /// The data lines of the event so far.
    data: Option<Vec<u8>>,
    /// The event so far is named `error`.
    is_error: bool,
    begun: bool,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

impl Events {
    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.buffer.shrink_to(KEPT);
            self.scanned -= self.start;
            self.start = 0;
        }
        append(&mut self.buffer, bytes);
    }

    /// The bytes of the unfinished event.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() - self.start + self.data.as_ref().map_or(0, Vec::len)
    }

    /// The next whole event, if there is one.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let buffer = std::mem::take(&mut self.buffer);
        let event = self.next_in(&buffer);
        self.buffer = buffer;
        event
    }

    fn next_in(&mut self, buffer: &[u8]) -> Option<Event> {
        while let Some(length) = buffer.get(self.scanned..).and_then(first_end) {
            let (start, end) = (self.start, self.scanned + length);
            (self.start, self.scanned) = (end + 1, end + 1);
            let follows_return = std::mem::replace(&mut self.after_return, buffer.get(end) == Some(&b'\r'));
            // The line feed of a `\r\n` ends no second line.
            let is_second_half = follows_return && end == start && buffer.get(end) == Some(&b'\n');
            let line = buffer.get(start..end).filter(|_| !is_second_half);
            if let Some(event) = line.and_then(|line| self.line(line)) {
                return Some(event);
            }
        }
        self.scanned = buffer.len();
        if self.start < buffer.len() {
            self.after_return = false;
        }
        None
    }

    /// The last event, if only the end of the stream ends it. The standard drops it, but servers leave the last blank line out,
    /// and a truncated one does not parse as JSON.
    pub(crate) fn rest(&mut self) -> Option<Event> {
        let buffer = std::mem::take(&mut self.buffer);
        let start = std::mem::take(&mut self.start);
        self.scanned = 0;
        match buffer.get(start..) {
            None | Some([]) => {}
            Some(line) => drop(self.line(line)),
        }
        self.event()
    }

    /// Takes the event so far; `None` without data.
    fn event(&mut self) -> Option<Event> {
        let is_error = std::mem::take(&mut self.is_error);
        self.data.take().map(|data| Event { data, is_error })
    }

    /// Takes a line; returns the event that it ends, if it does.
    fn line(&mut self, line: &[u8]) -> Option<Event> {
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
            true => line,
        };
        if line.is_empty() {
            return self.event();
        }
        if let Some(name) = line.strip_prefix(b"event:") {
            self.is_error = name.trim_ascii() == b"error";
        }
        // Comments and other fields (`id`, `retry`) are not needed.
        let value = line.strip_prefix(b"data")?;
        let value = match value.strip_prefix(b":") {
            Some(value) => value.strip_prefix(b" ").unwrap_or(value),
            None if value.is_empty() => value,
            None => return None,
        };
        match &mut self.data {
            Some(data) => {
                append(data, b"\n");
                append(data, value);
            }
            none => *none = Some(value.to_vec()),
        }
        None
    }
}

fn first_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::{Events, begins};

    /// The events of a stream that arrives in chunks of this size.
    fn read(stream: &str, chunk: usize) -> Vec<String> {
        let mut events = Events::default();
        let mut all = Vec::new();
        for bytes in stream.as_bytes().chunks(chunk) {
            events.push(bytes);
            all.extend(std::iter::from_fn(|| events.next()));
        }
        all.extend(events.rest());
        all.into_iter().map(|event| String::from_utf8(event.data).unwrap()).collect()
    }

    #[test]
    fn events_are_the_same_in_any_chunks() {
        let streams: [(&str, &[&str]); 9] = [
            ("data: a\n\ndata: b\n\n", &["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("data: a\r\rdata:b\r\r", &["a", "b"]),
            ("\u{feff}data: a\n\n", &["a"]),
            (": keep-alive\n\nevent: x\nid: 1\ndata: a\ndata: b\n\n", &["a\nb"]),
            ("data\n\ndata:\n\n", &["", ""]),
            ("data: ä😀\n\ndatas: x\n\n", &["ä😀"]),
            ("data: a\n\ndata: b", &["a", "b"]),
            (":\n\n\n\n\r\n\r\n", &[]),
        ];
        for (stream, expected) in streams {
            for chunk in 1..=stream.len() {
                assert_eq!(read(stream, chunk), expected, "{stream:?} by {chunk}");
            }
        }
    }

    #[test]
    fn an_event_is_an_error_by_its_own_name_alone() {
        let mut events = Events::default();
        events.push(b"event: error\ndata: a\n\ndata: b\n\nevent: errors\ndata: c\n\nevent:error\ndata: d");
        let mut all: Vec<_> = std::iter::from_fn(|| events.next()).collect();
        all.extend(events.rest());
        assert_eq!(all.iter().map(|event| event.is_error).collect::<Vec<_>>(), [true, false, false, true]);
    }

    #[test]
    fn a_body_is_an_event_stream_by_its_first_line() {
        for body in ["data:", "data: {}", "event: x", ":", ": wait", "\n\r\ndata: a", "\u{feff}data: a"] {
            assert_eq!(begins(body.as_bytes()), Some(true), "{body:?}");
        }
        for body in ["", "d", "data", "eve", "\n", "\r\n\r\nev"] {
            assert_eq!(begins(body.as_bytes()), None, "{body:?}");
        }
        for body in ["{", " data: a", "dat:", "data {}", "events:", "<html>", "id: 1", "\u{feff}{", "[DONE]"]
        {
            assert_eq!(begins(body.as_bytes()), Some(false), "{body:?}");
        }
        assert_eq!(begins(&[0xef]), None);
        assert_eq!(begins("\n".repeat(1_000).as_bytes()), Some(false));
    }

    #[test]
    fn every_line_end_ends_a_line_and_two_an_event() {
        for end in ["\n", "\r", "\r\n"] {
            for other in ["\n", "\r", "\r\n"] {
                // `\r` and then `\n` is one line end.
                if (end, other) != ("\r", "\n") {
                    let stream = format!("data: a{end}{other}data: b{end}{other}");
                    for chunk in 1..=stream.len() {
                        assert_eq!(read(&stream, chunk), ["a", "b"], "{stream:?} by {chunk}");
                    }
                }
            }
        }
    }
}
