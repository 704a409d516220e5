//! Checks that a demo's values, written into a prompt, are read back as the same values, whatever they contain.

use arbitrary::{Result, Unstructured};
use karat::{ChatAdapter, JsonAdapter, Predict, XmlAdapter, adapter::Adapter, signature};

use crate::hostile;

/// Answer.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output]
    reason: Option<String>,
    #[output]
    items: Vec<String>,
}

/// Checks field markers.
pub fn chat(bytes: &[u8]) {
    let _ = check(ChatAdapter, bytes, true);
}

/// Checks elements, which drop the blanks around a value.
pub fn xml(bytes: &[u8]) {
    let _ = check(XmlAdapter, bytes, false);
}

/// Checks JSON, which keeps blanks too.
pub fn json(bytes: &[u8]) {
    let _ = check(JsonAdapter, bytes, true);
}

fn check(adapter: impl Adapter, bytes: &[u8], keeps_blanks: bool) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let text = |u: &mut Unstructured<'_>| match u.int_in_range(0..=3)? {
        0 => Ok(String::from_utf8_lossy(u.bytes(u.len().min(12))?).into_owned()),
        _ => hostile::text(u, 6),
    };
    let (answer, reason) = (text(u)?, text(u)?);
    let mut items = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        items.push(text(u)?);
    }
    let kept = |text: &str| if keeps_blanks { text.to_owned() } else { text.trim().to_owned() };
    // A word for null is null, and so is an empty element.
    let is_nothing = !keeps_blanks && ["", "null", "None"].contains(&reason.trim());
    let reason = Some(reason).filter(|_| !is_nothing);
    let demo = Qa { question: text(u)?, answer, reason, items };
    let predict = Predict::<Qa>::new().adapter(adapter).demo(demo.clone());
    let input = QaInput { question: String::new() };
    let prompt = predict.prompt(&input).unwrap();
    let messages: Vec<_> = prompt.iter().map(|message| &*message.content).collect();
    let shown = messages[2];
    let read = predict.parse(&input, shown).unwrap_or_else(|error| panic!("{demo:?}\n{shown}\n{error}"));
    assert_eq!(read.answer, kept(&demo.answer), "{shown}");
    assert_eq!(read.reason, demo.reason.as_deref().map(kept), "{shown}");
    assert_eq!(read.items, demo.items, "{shown}");
    Ok(())
}
