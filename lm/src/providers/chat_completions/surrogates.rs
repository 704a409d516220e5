//! Replaces lone surrogate escapes in JSON text: some servers cut an emoji in two and send `"\ud83d"`, which is no character.

use std::borrow::Cow;

/// The JSON text with U+FFFD for each surrogate escape that lacks its other half; borrowed if there is none.
///
/// One pass; a backslash outside of a string is left to the parser to refuse.
pub(super) fn mend(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut mended = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let lone = match (unit(bytes, at), unit(bytes, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => {
                at += 12;
                continue;
            }
            (Some(0xD800..=0xDFFF), _) => true,
            _ => false,
        };
        if lone {
            mended.push_str(&json[copied..at]);
            mended.push_str("\\ufffd");
            at += 6;
            copied = at;
        } else {
            // The escaped byte may itself be a backslash.
            at += 2;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[copied..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of the escape `\uXXXX` that begins here, if one does.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character_and_a_pair_stays() {
        for (sent, expected) in [
            (r#""a\ud83d""#, r#""a\ufffd""#),
            (r#""\uDE00b""#, r#""\ufffdb""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83dA""#, r#""\ufffdA""#),
        ] {
            assert_eq!(mend(sent), expected);
            serde_json::from_str::<String>(&mend(sent)).unwrap();
        }
    }

    #[test]
    fn a_text_without_lone_surrogates_is_not_changed() {
        for sent in [
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""é \n \u00e9""#,
            r#""\u12"#,
            r#""\"#,
            "",
            r#""\uzzzz""#,
            r#""\u+123""#,
        ] {
            assert!(matches!(mend(sent), Cow::Borrowed(same) if same == sent), "{sent}");
        }
    }
}
