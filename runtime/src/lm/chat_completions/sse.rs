//! An event stream's events out of its bytes, as the WHATWG's HTML standard has them (section 9.2.6), however they are chunked.

use super::transport::append;

/// Takes bytes as they come and gives the data of whole events.
#[derive(Default)]
pub(super) struct Events {
    /// Bytes of lines that have not ended.
    buffer: Vec<u8>,
    /// How many of them are known to hold no line end.
    scanned: usize,
    /// The data lines of the event so far.
    data: Option<Vec<u8>>,
    begun: bool,
    /// A line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

impl Events {
    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        append(&mut self.buffer, bytes);
    }

    /// How many bytes it holds of an event that has not ended.
    pub(super) fn held(&self) -> usize {
        self.buffer.len() + self.data.as_ref().map_or(0, Vec::len)
    }

    /// The data of the events that are whole by now.
    pub(super) fn whole(&mut self) -> Vec<Vec<u8>> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut events = Vec::new();
        let mut start = 0;
        let mut at = std::mem::take(&mut self.scanned);
        while let Some(length) = buffer.get(at..).and_then(|rest| rest.iter().position(|byte| is_end(*byte)))
        {
            let end = at + length;
            let follows_return = std::mem::replace(&mut self.after_return, buffer.get(end) == Some(&b'\r'));
            // The line feed of a `\r\n` ends no line of its own.
            let is_second_half = follows_return && end == start && buffer.get(end) == Some(&b'\n');
            if !is_second_half {
                self.line(buffer.get(start..end).unwrap_or_default(), &mut events);
            }
            (start, at) = (end + 1, end + 1);
        }
        if start < buffer.len() {
            self.after_return = false;
        }
        self.buffer = buffer;
        self.buffer.drain(..start);
        self.scanned = self.buffer.len();
        events
    }

    /// The data of an event that only the end of the stream ends. The standard drops it; servers leave the last blank line out,
    /// and one that was cut does not read as JSON.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.buffer);
        self.scanned = 0;
        if !line.is_empty() {
            self.line(&line, &mut Vec::new());
        }
        self.data.take()
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<Vec<u8>>) {
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
            true => line,
        };
        if line.is_empty() {
            events.extend(self.data.take());
            return;
        }
        // Comments and other fields (`event`, `id`, `retry`) say nothing that is needed.
        let Some(value) = line.strip_prefix(b"data") else { return };
        let value = match value.strip_prefix(b":") {
            Some(value) => value.strip_prefix(b" ").unwrap_or(value),
            None if value.is_empty() => value,
            None => return,
        };
        match &mut self.data {
            Some(data) => {
                append(data, b"\n");
                append(data, value);
            }
            none => *none = Some(value.to_vec()),
        }
    }
}

fn is_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

#[cfg(test)]
mod tests {
    use super::Events;

    /// The events of a stream that arrives in chunks of this size.
    fn read(stream: &str, chunk: usize) -> Vec<String> {
        let mut events = Events::default();
        let mut all = Vec::new();
        for bytes in stream.as_bytes().chunks(chunk) {
            events.push(bytes);
            all.extend(events.whole());
        }
        all.extend(events.rest());
        all.into_iter().map(|event| String::from_utf8(event).unwrap()).collect()
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
