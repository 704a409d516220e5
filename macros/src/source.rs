//! The user's source as text, comments and all, kept in the program at compile time.

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};

/// The text of an item: its header, tidied, and its body as it stands in the file.
pub(crate) fn text(header: &TokenStream, body: &Group) -> String {
    let header = tidy(header);
    let body = exact(body).unwrap_or_else(|| body.to_string());
    format!("{header} {body}")
}

/// The body's text in the file without the indent of the item. `None` where the file has other text than the tokens: in what
/// `macro_rules!` made, the file has the macro's variables.
fn exact(body: &Group) -> Option<String> {
    let text = body.span().source_text()?;
    let read: TokenStream = text.parse().ok()?;
    same(&read, &TokenStream::from(TokenTree::Group(body.clone()))).then(|| dedented(&text))
}

/// Takes the indent of the last line, that of the closing brace, away from all lines.
fn dedented(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    let indent = last.len() - last.trim_start().len();
    let lines = text.split('\n').enumerate().map(|(index, line)| {
        let blank = line.len() - line.trim_start().len();
        if index == 0 { line } else { line.get(indent.min(blank)..).unwrap_or(line) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// True if two streams have the same tokens, whatever the spaces and the invisible groups.
fn same(one: &TokenStream, other: &TokenStream) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    flatten(one, &mut left);
    flatten(other, &mut right);
    left == right
}

fn flatten(tokens: &TokenStream, words: &mut Vec<String>) {
    for tree in tokens.clone() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(&group.stream(), words);
                words.push(close.to_owned());
            }
            other => words.push(other.to_string()),
        }
    }
    words.retain(|word| !word.is_empty());
}

/// Tokens as people write them: rustc's own way puts spaces around each.
pub(crate) fn tidy(tokens: &TokenStream) -> String {
    let mut text = String::new();
    write_tidy(tokens, &mut text);
    text.trim().to_owned()
}

fn write_tidy(tokens: &TokenStream, text: &mut String) {
    let mut joint = false;
    for tree in tokens.clone() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                if group.delimiter() == Delimiter::Brace || text.ends_with("->") {
                    separate(text);
                }
                text.push_str(open);
                write_tidy(&group.stream(), text);
                text.push_str(close);
                joint = false;
            }
            TokenTree::Punct(punct) => {
                let letter = punct.as_char();
                let leads = matches!(letter, '-' | '=' | '+') && !joint;
                if leads || (letter == '&' && text.ends_with([':', ','])) {
                    separate(text);
                }
                text.push(letter);
                joint = punct.spacing() == Spacing::Joint;
                if !joint
                    && (matches!(letter, ',' | ';' | '=' | '+') || (letter == ':' && !text.ends_with("::")))
                {
                    text.push(' ');
                }
                if letter == '>' && text.ends_with("->") {
                    text.push(' ');
                }
            }
            other => {
                let word = other.to_string();
                let ends_word = text.ends_with(|letter: char| {
                    letter.is_alphanumeric() || matches!(letter, '_' | '>' | ')' | ']')
                });
                if ends_word && !joint {
                    separate(text);
                }
                text.push_str(&word);
                joint = false;
            }
        }
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() && !text.ends_with([' ', '(', '[', '<', '&']) {
        text.push(' ');
    }
}

/// The body of an item whose last token it is, and what stands before it.
pub(crate) fn split_body(tokens: TokenStream) -> Option<(TokenStream, Group)> {
    let mut trees: Vec<TokenTree> = tokens.into_iter().collect();
    match trees.pop() {
        Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
            Some((trees.into_iter().collect(), body))
        }
        _ => None,
    }
}

/// An empty body, for items that have none.
pub(crate) fn empty_body(span: Span) -> Group {
    let mut body = Group::new(Delimiter::Brace, TokenStream::new());
    body.set_span(span);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_written_as_people_do() {
        for header in [
            "impl Rag",
            "impl<M: Module, const N: usize> Twice<M, N> where M::Input: Clone + Send, [u8; N]: Default",
            "pub(crate) fn concise<'a>(input: &'a Qa, p: &Prediction<Out>) -> Result<(f64, String), Error>",
            "fn f(a: &A, b: &B) -> impl IntoScore + 'static",
        ] {
            let tokens: TokenStream = header.parse().unwrap();
            assert_eq!(tidy(&tokens), header);
        }
    }

    #[test]
    fn the_indent_of_the_item_goes() {
        assert_eq!(dedented("{\n        a\n\n    }"), "{\n    a\n\n}");
    }
}
