//! The one error context of an expansion: it collects every mistake, so that a user sees all of an item's errors at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Collects errors; nothing stops at the first one.
#[derive(Default)]
pub(crate) struct Diagnostics {
    all: Option<syn::Error>,
}

impl Diagnostics {
    /// Reports a mistake at these tokens. The message says what is wrong and the way out.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// Reports a mistake at a span, for places that have no tokens of their own.
    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.add(syn::Error::new(span, message));
    }

    /// Takes over a syntax error.
    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.all {
            Some(all) => all.combine(error),
            None => self.all = Some(error),
        }
    }

    /// The value of a parser's result, its error reported.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(error);
                None
            }
        }
    }

    /// One `compile_error!` for each mistake; nothing if there is none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.all.map(|all| all.to_compile_error()).unwrap_or_default()
    }
}

/// The known word that an unknown one probably stands for: a small edit distance, or the start of the other.
pub(crate) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = if unknown.len() < 4 { 1 } else { 2 };
    let distance = |word: &str| match word.starts_with(unknown) || unknown.starts_with(word) {
        true => 1,
        false => edits(unknown, word),
    };
    known
        .into_iter()
        .map(|word| (distance(word), word))
        .filter(|(far, _)| *far <= most)
        .min()
        .map(|(_, word)| word)
}

/// Edits between two words: insert, delete, replace, swap of neighbours (optimal string alignment).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let cell = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&above, column + 1) + 1)
                .min(cell(&line, column) + 1)
                .min(cell(&above, column) + usize::from(a != b));
            let swapped =
                row > 0 && column > 0 && from.get(row - 1) == Some(b) && to.get(column - 1) == Some(a);
            if swapped {
                best = best.min(cell(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_the_word_that_was_meant() {
        assert_eq!(nearest("outptu", ["input", "output"]), Some("output"));
        assert_eq!(nearest("description", ["desc", "alias"]), Some("desc"));
        assert_eq!(nearest("skp", ["skip"]), Some("skip"));
        assert_eq!(nearest("serde", ["input", "output"]), None);
    }
}
