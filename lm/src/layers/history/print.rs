//! Prints a history for people.
//!
//! A model's text may be hostile: control characters are shown as symbols, and every line of a text is indented, so that no
//! text can pass for a heading.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    io::{self, IsTerminal},
    time::{Duration, SystemTime},
};

use super::CallOutcome;
use crate::{
    data::{Completion, Config, Finish, MediaSource, Part, Role},
    layers::{CallHistory, HistoryEntry},
    report::Usage,
};

/// Whether to write colours.
#[derive(Clone, Copy)]
pub(super) struct Colours(pub(super) bool);

impl Colours {
    /// Colours if the standard output is a terminal and `NO_COLOR` is unset or empty; see <https://no-color.org>.
    pub(super) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(!refused && io::stdout().is_terminal())
    }

    fn paint(self, colour: &'static str, text: impl fmt::Display) -> impl fmt::Display {
        let (start, end) = if self.0 { (colour, "\x1b[0m") } else { ("", "") };
        format!("{start}{text}{end}")
    }
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BLUE: &str = "\x1b[34m";

/// Writes the last `n` calls, in one piece.
pub(super) fn history(
    out: &mut (impl io::Write + ?Sized),
    history: &CallHistory,
    n: usize,
    colours: Colours,
) -> io::Result<()> {
    let mut text = String::new();
    if history.is_empty() {
        text.push_str("no LM calls\n");
    }
    for entry in &history.last(n) {
        // Writing to a `String` does not fail.
        let _ = self::entry(&mut text, entry, colours);
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one call: a heading, the messages, the answers, the cost, and an empty line.
pub(super) fn entry(f: &mut impl Write, entry: &HistoryEntry, colours: Colours) -> fmt::Result {
    let predictor = entry.predictor().unwrap_or("(no predictor)");
    let heading = format!("{}  {}  {}", Time(entry.time), Line(entry.lm()), Line(predictor));
    writeln!(f, "{}{}", colours.paint(BOLD, heading), colours.paint(DIM, About(entry)))?;
    for message in entry.prompt().iter() {
        let colour = match message.role {
            Role::System | Role::Tool => DIM,
            Role::User => BLUE,
            Role::Assistant => GREEN,
        };
        for of_message in message.content.parts() {
            let name = format!("{}{}", message.role.as_str(), kind(of_message));
            part(f, colours.paint(colour, name), &shown(of_message))?;
        }
    }
    match &entry.outcome {
        CallOutcome::Answered(response) => {
            let count = response.completions.len();
            for (index, completion) in response.completions.iter().enumerate() {
                answer(f, completion, (index + 1, count), colours)?;
            }
            if let Some(model) = &response.model {
                writeln!(f, "  {} {}", colours.paint(DIM, "model:"), Line(model))?;
            }
            writeln!(f, "  {} {}", colours.paint(DIM, "usage:"), Cost(response.usage))?;
        }
        CallOutcome::Failed(error) => {
            part(f, colours.paint(RED, "error"), &error.to_string())?;
            if entry.usage().total_tokens() > 0 {
                writeln!(f, "  {} {}", colours.paint(DIM, "usage:"), Cost(entry.usage()))?;
            }
        }
        CallOutcome::Cancelled => writeln!(f, "  {}", colours.paint(RED, "cancelled before it answered"))?,
    }
    f.write_char('\n')
}

/// The heading's words for a part that is no text.
fn kind(part: &Part) -> String {
    match part {
        Part::Text(_) => String::new(),
        Part::Media(media) => format!(", media {}", Line(&media.media_type)),
        Part::ToolCall(call) => format!(", calls {} ({})", Line(&call.name), Line(&call.id)),
        Part::ToolResult(result) if result.is_error => format!(", failure of {}", Line(&result.call)),
        Part::ToolResult(result) => format!(", result of {}", Line(&result.call)),
        Part::Opaque(opaque) => format!(", for {} alone", Line(&opaque.maker)),
    }
}

/// A part as text; for base64 data and opaque parts, their length.
fn shown(part: &Part) -> Cow<'_, str> {
    match part {
        Part::Media(media) => match &media.source {
            MediaSource::Base64(data) => format!("{} bytes of base64", data.len()).into(),
            source => source.as_str().into(),
        },
        Part::ToolCall(call) => call.arguments.as_str().into(),
        Part::Opaque(opaque) => format!("{} bytes", opaque.json.len()).into(),
        text => text.text().into(),
    }
}

fn answer(
    f: &mut impl Write,
    completion: &Completion,
    (number, count): (usize, usize),
    colours: Colours,
) -> fmt::Result {
    let mut name = "answer".to_owned();
    if count > 1 {
        write!(name, " {number} of {count}")?;
    }
    match &completion.finish {
        Finish::Stop => {}
        Finish::Length => name.push_str(", cut at the token limit"),
        Finish::ContentFilter => name.push_str(", held back by the content filter"),
        Finish::ToolCalls => name.push_str(", calls tools"),
        Finish::Other(why) => write!(name, ", ended by {}", Line(why))?,
    }
    if let Some(reasoning) = &completion.reasoning {
        part(f, colours.paint(DIM, "reasoning"), reasoning)?;
    }
    if !completion.text.is_empty() || (completion.refusal.is_none() && completion.parts.is_empty()) {
        part(f, colours.paint(GREEN, name), &completion.text)?;
    }
    for of_answer in completion.parts.iter().filter(|part| !matches!(part, Part::Text(_))) {
        let name = format!("{}{}", Role::Assistant.as_str(), kind(of_answer));
        part(f, colours.paint(GREEN, name), &shown(of_answer))?;
    }
    match &completion.refusal {
        Some(refusal) => part(f, colours.paint(RED, "refusal"), refusal),
        None => Ok(()),
    }
}

fn part(f: &mut impl Write, name: impl fmt::Display, text: &str) -> fmt::Result {
    writeln!(f, "  {name}:")?;
    for line in text.split('\n') {
        if line.is_empty() {
            f.write_char('\n')?;
            continue;
        }
        f.write_str("    ")?;
        visible(f, line, |character| character == '\t')?;
        f.write_char('\n')?;
    }
    Ok(())
}

/// Writes a text with visible symbols for characters that control a terminal or change the direction of text.
fn visible(f: &mut impl Write, text: &str, as_it_is: impl Fn(char) -> bool) -> fmt::Result {
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            _ if as_it_is(character) => f.write_char(character)?,
            '\0'..='\x1f' => f.write_char(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'))?,
            '\x7f' => f.write_char('\u{2421}')?,
            '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "<U+{code:04X}>")?;
            }
            _ => f.write_char(character)?,
        }
    }
    Ok(())
}

/// A name on one line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible(f, self.0, |_| false)
    }
}

/// A time to the second, in UTC, in HTTP's format.
struct Time(SystemTime);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const END_OF_9999: Duration = Duration::from_secs(253_402_300_800);
        // The library panics outside of these years.
        match self.0.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) if since < END_OF_9999 => httpdate::HttpDate::from(self.0).fmt(f),
            _ => f.write_str("(no time: the clock is set wrongly)"),
        }
    }
}

/// The call's settings and duration; continues the heading.
struct About<'a>(&'a HistoryEntry);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { temperature, max_tokens, n, seed, stop, rollout_id, cache: _, params: _ } =
            self.0.config();
        let mut separator = "  ";
        let mut say = |name: &str, value: Option<&dyn fmt::Display>| {
            let Some(value) = value else { return Ok(()) };
            write!(f, "{}{name} {value}", std::mem::replace(&mut separator, ", "))
        };
        fn shown<T: fmt::Display>(value: &Option<T>) -> Option<&dyn fmt::Display> {
            value.as_ref().map(|value| value as &dyn fmt::Display)
        }
        say("rollout", shown(rollout_id))?;
        say("temperature", shown(temperature))?;
        say("max_tokens", shown(max_tokens))?;
        say("n", shown(n))?;
        say("seed", shown(seed))?;
        for text in stop {
            say("stop", Some(&format_args!("`{}`", Line(text))))?;
        }
        say("format", shown(&self.0.response_format()))?;
        for name in self.0.param_names() {
            say("param", Some(&Line(name)))?;
        }
        say("took", Some(&format_args!("{:.2?}", self.0.elapsed())))?;
        if self.0.is_shortened() { f.write_str(", shortened") } else { Ok(()) }
    }
}

struct Cost(Usage);

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage {
            calls,
            cached_calls: _,
            prompt_tokens,
            completion_tokens,
            cached_tokens,
            reasoning_tokens,
            cost,
            priced_calls: _,
        } = self.0;
        if self.0.is_cached() {
            return f.write_str("none, from a cache");
        }
        if calls > 1 {
            write!(f, "{calls} calls, ")?;
        }
        write!(f, "{prompt_tokens} tokens read")?;
        if cached_tokens > 0 {
            write!(f, " ({cached_tokens} cached)")?;
        }
        write!(f, ", {completion_tokens} written")?;
        if reasoning_tokens > 0 {
            write!(f, " ({reasoning_tokens} reasoning)")?;
        }
        if cost.amount() > 0.0 {
            write!(f, ", for {cost}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: u64) -> String {
        Time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    }

    #[test]
    fn no_time_panics() {
        assert_eq!(time(1_000_000_000), "Sun, 09 Sep 2001 01:46:40 GMT");
        assert_eq!(time(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert!(time(253_402_300_800).contains("no time"));
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(Time(before).to_string().contains("no time"));
    }

    #[test]
    fn colours_are_written_only_where_they_are_wanted() {
        assert_eq!(Colours(true).paint(RED, "x").to_string(), "\x1b[31mx\x1b[0m");
        assert_eq!(Colours(false).paint(RED, "x").to_string(), "x");
    }

    #[test]
    fn every_control_character_is_visible_and_no_line_begins_at_the_margin() {
        let every: String = ('\0'..='\u{a0}').chain('\u{2000}'..='\u{2070}').collect();
        let mut out = String::new();
        part(&mut out, "user", &every).unwrap();
        assert!(out.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{out:?}");
        assert!(out.contains("\u{241b}") && out.contains("<U+009B>") && out.contains("<U+202E>"), "{out}");
        assert!(out.lines().skip(1).all(|line| line.is_empty() || line.starts_with("    ")), "{out}");
        assert!(Line("a\nb\tc").to_string().chars().all(|c| !c.is_control()));
    }
}
