//! An event stream's events out of its bytes, as the WHATWG's HTML standard has them (section 9.2.6), however they are chunked.

use super::transport::append;

/// How many bytes of room it keeps for the next event.
const KEPT: usize = 1 << 20;

/// Takes bytes as they come and gives the data of whole events.
#[derive(Default)]
pub(super) struct Events {
    buffer: Vec<u8>,
    /// Where the first line begins in it that has not ended.
    start: usize,
    /// Up to where no other line end is.
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
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.buffer.shrink_to(KEPT);
            self.scanned -= self.start;
            self.start = 0;
        }
        append(&mut self.buffer, bytes);
    }

    /// How many bytes it holds of an event that has not ended.
    pub(super) fn held(&self) -> usize {
        self.buffer.len() - self.start + self.data.as_ref().map_or(0, Vec::len)
    }

    /// The data of the next event that is whole by now.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let buffer = std::mem::take(&mut self.buffer);
        let event = self.next_in(&buffer);
        self.buffer = buffer;
        event
    }

    fn next_in(&mut self, buffer: &[u8]) -> Option<Vec<u8>> {
        while let Some(length) = buffer.get(self.scanned..).and_then(first_end) {
            let (start, end) = (self.start, self.scanned + length);
            (self.start, self.scanned) = (end + 1, end + 1);
            let follows_return = std::mem::replace(&mut self.after_return, buffer.get(end) == Some(&b'\r'));
            // The line feed of a `\r\n` ends no line of its own.
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

    /// The data of an event that only the end of the stream ends. The standard drops it; servers leave the last blank line out,
    /// and one that was cut does not read as JSON.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let buffer = std::mem::take(&mut self.buffer);
        let start = std::mem::take(&mut self.start);
        self.scanned = 0;
        match buffer.get(start..) {
            None | Some([]) => {}
            Some(line) => drop(self.line(line)),
        }
        self.data.take()
    }

    /// Takes a line; the event that it ends, if it does.
    fn line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
            true => line,
        };
        if line.is_empty() {
            return self.data.take();
        }
        // Comments and other fields (`event`, `id`, `retry`) say nothing that is needed.
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
    use super::Events;

    /// The events of a stream that arrives in chunks of this size.
    fn read(stream: &str, chunk: usize) -> Vec<String> {
        let mut events = Events::default();
        let mut all = Vec::new();
        for bytes in stream.as_bytes().chunks(chunk) {
            events.push(bytes);
            all.extend(std::iter::from_fn(|| events.next()));
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
