//! Excerpts of a server's text for error messages.

/// How many characters of a body a message shows.
const LENGTH: usize = 200;

/// How many bytes of a body are read: enough for those characters even with much space between them.
const WINDOW: usize = 16 << 10;

/// The first characters of a text on one line, without the API key and other secrets, which servers echo. They are taken out before
/// the text is cut, so that no part of one stays.
pub(crate) fn excerpt<'a>(said: &[u8], secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::from_utf8_lossy(&said[..said.len().min(WINDOW)]).into_owned();
    let mut longest = 0;
    for secret in secrets {
        text = without(&text, secret);
        longest = longest.max(LONGEST_ESCAPE * secret.len());
    }
    if said.len() > WINDOW {
        // The window may end within a secret.
        let end = (0..=text.len().saturating_sub(longest)).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
    let mut out = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if length > 0 {
            out.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length >= LENGTH {
                out.push('…');
                return out;
            }
            out.push(c);
            length += 1;
        }
    }
    out
}

/// The bytes of `\u002f`.
const LONGEST_ESCAPE: usize = 6;

/// Replaces a secret in a text by a mark, however it is escaped there.
fn without(text: &str, key: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = key.chars().try_fold(rest, behind_letter) {
            out += "[key]";
            rest = behind;
        } else {
            out.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// The text after its first letter if that is `letter`, in any case, plain or escaped as in JSON or an address: many servers write
/// `\/` for `/`, and .NET writes `\u002B` for `+`.
fn behind_letter(text: &str, letter: char) -> Option<&str> {
    let is_letter = |other: char| other.eq_ignore_ascii_case(&letter);
    let as_number = |mark: &str, digits: usize| {
        let (number, behind) = text.strip_prefix(mark)?.split_at_checked(digits)?;
        let other = u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?;
        is_letter(other).then_some(behind)
    };
    text.strip_prefix(is_letter)
        .or_else(|| text.strip_prefix('\\')?.strip_prefix(is_letter))
        .or_else(|| as_number("\\u", 4))
        .or_else(|| as_number("%", 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    #[test]
    fn an_excerpt_is_one_line_of_at_most_200_characters() {
        assert_eq!(excerpt(b" <html>\r\n  <p>\x00no</p>\n", NONE), "<html> <p> no</p>");
        assert_eq!(excerpt("ä".repeat(500).as_bytes(), NONE), "ä".repeat(200) + "…");
        assert_eq!(excerpt("ä".repeat(200).as_bytes(), NONE), "ä".repeat(200));
        assert_eq!(excerpt(b"caf\xe9", NONE), "caf\u{FFFD}");
    }

    #[test]
    fn the_key_is_taken_out_before_the_text_is_cut() {
        let key = ["sk/canary"];
        let said = format!("{}sk/canary, sk\\/canary", "a".repeat(196));
        assert_eq!(excerpt(said.as_bytes(), key), "a".repeat(196) + "[key…");
        assert_eq!(excerpt(br#"{"key":"sk\/canary"}"#, key), r#"{"key":"[key]"}"#);
        for escaped in ["SK/Canary", "sk%2Fcanary", "sk%2fcanary", r"\u0073k\u002fcanary", r"s\k\/canary"] {
            assert_eq!(excerpt(format!("%a{escaped}\\").as_bytes(), key), "%a[key]\\");
        }
    }
}
