//! Names as prompts and files have them: the identifier without `r#`, or what serde's `rename` and `rename_all` say, so that one
//! row of a data set and one prompt name a field alike.

use proc_macro2::Span;
use syn::{Attribute, Ident, LitStr, Meta, Token, ext::IdentExt, punctuated::Punctuated, spanned::Spanned};

use crate::{attributes::literal, diagnostics::Diagnostics};

/// The identifier without `r#`.
pub(crate) fn bare(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// A field's name on the wire and where the user wrote it.
pub(crate) struct WireName {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// How serde's `rename_all` spells a field.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    /// `two_words`, as Rust has it.
    Plain,
    /// `TWO_WORDS`.
    Upper,
    /// `TwoWords`.
    Pascal,
    /// `twoWords`.
    Camel,
    /// `two-words`.
    Kebab,
    /// `TWO-WORDS`.
    UpperKebab,
}

/// serde's words for the cases. Its `lowercase` leaves the underscores of a field, as `snake_case` does.
const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Plain),
    ("snake_case", Case::Plain),
    ("UPPERCASE", Case::Upper),
    ("SCREAMING_SNAKE_CASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::UpperKebab),
];

impl Case {
    fn apply(self, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Kebab => name.replace('_', "-"),
            Self::UpperKebab => name.to_ascii_uppercase().replace('_', "-"),
            Self::Pascal => name.split('_').map(capitalized).collect(),
            Self::Camel => {
                let pascal: String = name.split('_').map(capitalized).collect();
                let mut letters = pascal.chars();
                letters.next().map_or_else(String::new, |first| {
                    first.to_ascii_lowercase().to_string() + letters.as_str()
                })
            }
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// The struct's `#[serde(rename_all = "..")]`.
pub(crate) fn case(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Case {
    let Some(name) = serde_text("rename_all", attributes, diagnostics) else {
        return Case::Plain;
    };
    let text = name.value();
    match CASES.iter().find(|(word, _)| *word == text) {
        Some((_, case)) => *case,
        None => {
            let known: Vec<_> = CASES.iter().map(|(word, _)| *word).collect();
            diagnostics.at(&name, format!("serde knows no case `{text}`: use one of {}", known.join(", ")));
            Case::Plain
        }
    }
}

/// The field's name on the wire.
pub(crate) fn wire_name(
    ident: &Ident,
    attributes: &[Attribute],
    case: Case,
    diagnostics: &mut Diagnostics,
) -> WireName {
    match serde_text("rename", attributes, diagnostics) {
        Some(name) => WireName { text: name.value(), span: name.span() },
        None => WireName { text: case.apply(&bare(ident)), span: ident.span() },
    }
}

/// The text of one serde word; both directions must agree, since a prompt and its answer have one name for a field.
fn serde_text(word: &str, attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Option<LitStr> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).find_map(|attribute| {
        // serde reports what it cannot read.
        let metas = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
        metas.iter().filter(|meta| meta.path().is_ident(word)).find_map(|meta| match meta {
            Meta::NameValue(pair) => literal(&pair.value).cloned(),
            Meta::List(list) => {
                let pairs = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
                let side = |name: &str| {
                    pairs.iter().find_map(|pair| match pair {
                        Meta::NameValue(pair) if pair.path.is_ident(name) => literal(&pair.value).cloned(),
                        _ => None,
                    })
                };
                match (side("serialize"), side("deserialize")) {
                    (Some(one), Some(other)) if one.value() == other.value() => Some(one),
                    (one, other) => {
                        let message = format!(
                            "a signature's field has one name in prompts and answers: write `{word} = \"..\"`, or the same text \
                             for `serialize` and `deserialize`"
                        );
                        diagnostics.at(meta, message);
                        one.or(other)
                    }
                }
            }
            Meta::Path(_) => None,
        })
    })
}

/// The flaw of a name that has to work between field markers, as a JSON key and as an XML tag; `None` if it has none.
pub(crate) fn flaw(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name == "completed" {
        return Some("is the marker that ends an answer");
    }
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if !name.chars().all(fits) {
        return Some("has other characters than letters, digits, `_`, `-` and `.`");
    }
    None
}

/// The span of a syntax node, with names resolved at the call site as everything in an expansion.
pub(crate) fn place(tokens: &impl Spanned) -> Span {
    Span::call_site().located_at(tokens.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_spell_as_serde_does() {
        let spelt: Vec<_> = CASES.iter().map(|(_, case)| case.apply("two_words")).collect();
        let serde = [
            "two_words",
            "two_words",
            "TWO_WORDS",
            "TWO_WORDS",
            "TwoWords",
            "twoWords",
            "two-words",
            "TWO-WORDS",
        ];
        assert_eq!(spelt, serde);
    }
}
