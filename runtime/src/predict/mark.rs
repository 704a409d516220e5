//! How far a text was told, without the text.

/// What a text's bytes are counted with in its hash: an odd number whose digits have no pattern, 2^64 over the golden ratio.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// [`BASE`] to the powers of 8 to 1.
const POWERS: [u64; 8] = {
    let mut powers = [BASE; 8];
    let mut at = 7;
    while at > 0 {
        powers[at - 1] = powers[at].wrapping_mul(BASE);
        at -= 1;
    }
    powers
};

/// How far a text was told: its length and its hash, so that of another text it can be said whether it goes on from there.
///
/// The hash is the value of the polynomial whose coefficients the bytes are (Karp and Rabin's), which does not depend on how
/// the text was cut. Where it errs, a text that was told otherwise than it is stays so.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    length: usize,
    hash: u64,
}

impl Mark {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Goes on by this text.
    pub(super) fn push(&mut self, text: &str) {
        self.length += text.len();
        let blocks = text.as_bytes().chunks_exact(POWERS.len());
        let rest = blocks.remainder();
        blocks.for_each(|block| self.add(block, &POWERS));
        self.add(rest, POWERS.get(POWERS.len() - rest.len()..).unwrap_or_default());
    }

    /// Adds as many bytes as there are powers; no step waits for the one before.
    #[inline(always)]
    fn add(&mut self, bytes: &[u8], powers: &[u64]) {
        let terms = bytes.iter().zip(powers).map(|(byte, power)| u64::from(*byte).wrapping_mul(*power));
        let sum = terms.fold(0, u64::wrapping_add);
        self.hash = self.hash.wrapping_mul(powers.first().copied().unwrap_or(1)).wrapping_add(sum);
    }

    /// What the whole text has behind the mark; `None` if it does not begin as it was told.
    pub(super) fn behind<'t>(&self, whole: &'t str) -> Option<&'t str> {
        let (start, rest) = whole.split_at_checked(self.length)?;
        let mut mark = Self::default();
        mark.push(start);
        (mark.hash == self.hash).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_same_however_the_text_is_cut() {
        let text = "  多言語の文章には空白がないことが多い。 a\u{301}b 0123456789abcdef\0\0\n";
        let chars: Vec<_> = text.chars().collect();
        for size in 1..=chars.len() {
            let mut mark = Mark::default();
            for piece in chars.chunks(size) {
                mark.push(&piece.iter().collect::<String>());
            }
            assert_eq!(mark.behind(text), Some(""), "{size}");
            assert_eq!(mark.behind(&format!("{text}x")), Some("x"), "{size}");
            assert_eq!(mark.length(), text.len());
        }
    }

    #[test]
    fn a_text_that_begins_otherwise_is_known() {
        let mut mark = Mark::default();
        assert_eq!(mark.behind("any"), Some("any"));
        mark.push("Paris, France");
        for other in [
            "",
            "Paris",
            "Paris, Franc",
            "Paris, Francf and",
            "paris, France",
            "Paris ,France",
            "Lyon, which is",
        ] {
            assert_eq!(mark.behind(other), None, "{other:?}");
        }
        // Cut inside of a character.
        assert_eq!(mark.behind("Paris, Francä"), None);
    }
}
