//! Cuts a text into pieces, as a stream delivers it.

use arbitrary::{Result, Unstructured};

/// Cuts the text between characters, anywhere, sometimes twice in one place.
pub fn cut<'t>(u: &mut Unstructured<'_>, text: &'t str) -> Result<Vec<&'t str>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = u.int_in_range(0..=rest.len().min(40))?;
        // Without bytes left it is always 0: the rest becomes one piece.
        let at = if u.is_empty() { rest.len() } else { at };
        let at = (at..=rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(at);
        pieces.push(piece);
        rest = behind;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_text_are_the_text() {
        let text = "ä[[ ## answer ## ]]\n🦀 and so on";
        for seed in 0..=u8::MAX {
            let bytes = [seed, 3, 0, 9, 1, seed, 1, 1, 7];
            assert_eq!(cut(&mut Unstructured::new(&bytes), text).unwrap().concat(), text);
        }
    }
}
