//! Doc comments as text: instructions of a signature, descriptions of its fields.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, Meta};

use crate::attributes::literal;

/// A text of literal lines and of macros such as `include_str!`, which only rustc can read.
#[derive(Default)]
pub(crate) struct Text {
    pieces: Vec<Piece>,
}

enum Piece {
    Literal(String),
    Macro(Expr),
}

impl Text {
    /// The text of all doc comments.
    pub(crate) fn of_docs(attributes: &[Attribute]) -> Self {
        let mut text = Self::default();
        for attribute in attributes {
            if let Meta::NameValue(pair) = &attribute.meta {
                if pair.path.is_ident("doc") {
                    text.push(&pair.value);
                }
            }
        }
        text.unindent();
        text
    }

    /// The text of a value such as that of `desc = ".."`.
    pub(crate) fn of_value(value: &Expr) -> Self {
        let mut text = Self::default();
        text.push(value);
        text
    }

    /// Each doc attribute starts a line; neighbouring lines join.
    fn push(&mut self, value: &Expr) {
        match (literal(value), self.pieces.last_mut()) {
            (Some(line), Some(Piece::Literal(lines))) => {
                lines.push('\n');
                lines.push_str(&plain(&line.value()));
            }
            (Some(line), Some(Piece::Macro(_))) => {
                self.pieces.push(Piece::Literal(format!("\n{}", plain(&line.value()))));
            }
            (Some(line), None) => self.pieces.push(Piece::Literal(plain(&line.value()))),
            (None, last) => {
                if let Some(Piece::Literal(lines)) = last {
                    lines.push('\n');
                }
                self.pieces.push(Piece::Macro(value.clone()));
            }
        }
    }

    /// Takes away the indent that all lines share, as rustdoc does, and the white space at both ends.
    fn unindent(&mut self) {
        let last = self.pieces.len().saturating_sub(1);
        for (index, piece) in self.pieces.iter_mut().enumerate() {
            let Piece::Literal(text) = piece else { continue };
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let indent = lines.map(|line| line.len() - line.trim_start_matches(' ').len()).min().unwrap_or(0);
            let mut even: Vec<_> =
                text.split('\n').map(|line| line.get(indent..).unwrap_or("").trim_end()).collect();
            if index == 0 {
                while even.first().is_some_and(|line| line.is_empty()) {
                    even.remove(0);
                }
            }
            if index == last {
                while even.last().is_some_and(|line| line.is_empty()) {
                    even.pop();
                }
            }
            *text = even.join("\n");
        }
    }
}

/// A block comment without the stars down its left side.
fn plain(comment: &str) -> String {
    let starred = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('*');
    if !comment.contains('\n') || !comment.lines().skip(1).all(starred) {
        return comment.to_owned();
    }
    let lines = comment.lines().map(|line| line.trim_start().strip_prefix('*').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

impl ToTokens for Text {
    /// One literal, or a `concat!` where a macro is among the pieces.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => Literal::string(text).to_token_stream(),
            Piece::Macro(text) => text.to_token_stream(),
        });
        match self.pieces.as_slice() {
            [] => Literal::string("").to_tokens(tokens),
            [Piece::Literal(_)] => tokens.extend(pieces),
            _ => tokens.extend(quote!(::core::concat!(#(#pieces),*))),
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn text(attributes: &[Attribute]) -> String {
        Text::of_docs(attributes).to_token_stream().to_string()
    }

    #[test]
    fn lines_join_without_the_indent_they_share() {
        let docs: Vec<Attribute> =
            vec![parse_quote!(#[doc = " One"]), parse_quote!(#[doc = ""]), parse_quote!(#[doc = "   two "])];
        assert_eq!(text(&docs), r#""One\n\n  two""#);
    }

    #[test]
    fn block_comments_lose_their_stars() {
        assert_eq!(text(&[parse_quote!(#[doc = "\n * One\n * two\n "])]), r#""One\ntwo""#);
    }

    #[test]
    fn an_included_file_stays_a_macro() {
        let docs: Vec<Attribute> =
            vec![parse_quote!(#[doc = " One"]), parse_quote!(#[doc = include_str!("x")])];
        assert_eq!(text(&docs), r#":: core :: concat ! ("One\n" , include_str ! ("x"))"#);
    }
}
