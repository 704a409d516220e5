//! Checks names with signs: the name that was written is read, and no other.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use karat::{ChatAdapter, JsonAdapter, Predict, TerseAdapter, XmlAdapter, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hostile;

macro_rules! names {
    ($($form:ident: $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub enum Name {
            $(#[serde(rename = $name)] $form,)*
        }

        const NAMES: &[&str] = &[$($name),*];
    };
}

names! {
    BMinus: "B-",
    B: "B",
    BPlus: "B+",
    Sharp: "C#",
    Plus: "C++",
    Under: "<18",
    Over: ">18",
    Range: "18-39",
    Open: "65+",
    Point: "1.0",
    Ten: "10",
    One: "1",
    MinusOne: "-1",
    Level: "level 1",
    Deep: "level_1_2",
    VeryHigh: "very_high",
    None: "None",
    Percent: "5%",
}

#[signature]
struct One {
    #[input]
    none: (),
    #[output]
    name: Option<Name>,
}

/// Signs to add to a name or to put in place of its signs.
const SIGNS: &[&str] =
    &["-", "+", "#", "<", ">", ".", "%", " ", "_", "–", "−", "/", "=", "0", "1", "a", "not "];

const AROUND: &[(&str, &str)] = &[
    ("", ""),
    ("", ""),
    ("**", "**"),
    ("`", "`"),
    ("'", "'"),
    ("“", "”"),
    ("*", "*."),
    ("", "."),
    ("", ","),
    (" ", ": "),
    ("(", ")"),
    ("", ".."),
];

/// Reads one of the names, mostly in another form.
pub(super) fn check(bytes: &[u8]) {
    let _ = read(bytes);
}

fn read(bytes: &[u8]) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let mut text = hostile::one(u, NAMES)?.to_owned();
    match u.int_in_range(0..=4)? {
        0 => {}
        1 => text = text.to_uppercase(),
        2 => text = text.replace(['_', ' '], hostile::one(u, &["", " ", "-", "_", "  "])?),
        _ => {
            let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = *u.choose(&places)?;
            match u.arbitrary()? {
                true => text.insert_str(at, hostile::one(u, SIGNS)?),
                false if at < text.len() => drop(text.remove(at)),
                false => {}
            }
        }
    }
    let (before, behind) = *u.choose(AROUND)?;
    let is_framed = !matches!(before, "(") && behind != "..";
    let whole = format!("{before}{text}{behind}");
    let quoted = Value::from(&*whole).to_string();
    static READERS: LazyLock<[Predict<One>; 4]> = LazyLock::new(|| {
        [
            Predict::new().adapter(ChatAdapter),
            Predict::new().adapter(XmlAdapter),
            Predict::new().adapter(JsonAdapter),
            Predict::new().adapter(TerseAdapter),
        ]
    });
    let which = u.int_in_range(0..=3)?;
    let reply = match which {
        0 => format!("[[ ## name ## ]]\n{whole}\n\n[[ ## completed ## ]]"),
        // Between tags, `<` may begin a tag.
        1 => format!("<name>{}</name>", whole.replace('<', "&lt;")),
        2 => format!("{{\"name\": {quoted}}}"),
        _ => format!("Name: {whole}"),
    };
    let read = READERS[which].parse(&OneInput { none: () }, &reply).map(|one| one.name);
    let Ok(read) = read else {
        let exact = NAMES.contains(&text.as_str()) && before.is_empty() && behind.is_empty();
        assert!(!exact, "{reply}: {read:?}");
        return Ok(());
    };
    let alike: Vec<_> = NAMES.iter().filter(|name| squeezed(name) == squeezed(&text)).collect();
    let found = serde_json::to_value(read).unwrap_or_default();
    match found.as_str() {
        Some(name) => {
            let is_itself = name == whole.trim();
            // One sign at the end, which may be part of the text.
            let shorter = text.strip_suffix(['.', ',', ':', ';']).unwrap_or(&text);
            let is_short = squeezed(shorter.trim()) == squeezed(name);
            assert!(is_itself || is_framed && (alike == [&name] || is_short), "{reply} is read as {name}");
        }
        None => {
            assert!(text.to_lowercase().contains("none") || text.is_empty(), "{reply} is read as nothing")
        }
    }
    Ok(())
}

/// Lowers a name, and removes the signs between its words.
fn squeezed(name: &str) -> String {
    let chars: Vec<_> =
        name.trim().to_lowercase().chars().map(|c| if matches!(c, '–' | '−') { '-' } else { c }).collect();
    let is_join = |c: &char| " _-".contains(*c);
    let mut squeezed = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = chars[..at].iter().rev().find(|c| !is_join(c));
        let behind = chars[at..].iter().find(|c| !is_join(c));
        let joins = match (before, behind) {
            (Some(a), Some(b)) => {
                a.is_alphabetic() && (b.is_alphabetic() || b.is_numeric())
                    || a.is_numeric() && b.is_alphabetic()
            }
            _ => false,
        };
        if !is_join(c) || !joins {
            squeezed.push(*c);
        }
    }
    squeezed
}
