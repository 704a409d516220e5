//! Compares names as models write them.
//!
//! Signs and digits must be equal. Case may differ, the signs between words, and what a model puts around a name: quotes,
//! backticks, emphasis, one sign at the end.

/// Finds the meaning of a name in another form than the known ones; `None` if it has no meaning or several.
pub(crate) fn find<'n, T: PartialEq>(
    known: impl IntoIterator<Item = (&'n str, T)>,
    given: &str,
) -> Option<T> {
    let [ended, bare] = [without_end(given.trim()), bare(given)];
    find_by(known, |name| {
        let name = without_end(name.trim());
        is_same(name, ended) || bare != ended && is_same(name, bare)
    })
}

/// Finds the one meaning of the known names that pass the test; `None` if there is none, or several.
pub(crate) fn find_by<'n, T: PartialEq>(
    known: impl IntoIterator<Item = (&'n str, T)>,
    is_it: impl Fn(&str) -> bool,
) -> Option<T> {
    let mut all = known.into_iter().filter(|(name, _)| is_it(name)).map(|(_, meaning)| meaning);
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// True if two names differ only in case and the signs between words.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    !one.is_empty() && key(one).eq(key(other))
}

/// Normalizes a name: equal for names that are the same by [`is_same`].
pub(crate) fn normal(name: &str) -> String {
    key(name).collect()
}

/// True if the known name may begin with this text, which may still grow.
pub(crate) fn begins(known: &str, text: &str) -> bool {
    let mut known = key(known);
    key(text.trim_end_matches(is_join)).all(|c| known.next() == Some(c))
}

/// Removes quotes, backticks and emphasis around a name, and one sign at its end.
fn bare(name: &str) -> &str {
    let mut name = name.trim();
    let mut is_ended = false;
    loop {
        let shorter = without_end(name);
        if let Some(inside) = inside(name) {
            name = inside.trim();
        } else if !is_ended && shorter.len() < name.len() {
            is_ended = true;
            name = shorter;
        } else {
            return name;
        }
    }
}

/// Removes the sign at a name's end, unless the name is nothing else.
fn without_end(name: &str) -> &str {
    let shorter = name.strip_suffix(['.', ',', ':', ';']).unwrap_or(name).trim_end();
    if shorter.is_empty() { name } else { shorter }
}

const QUOTES: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('“', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('«', '»'),
    ('「', '」'),
    ('『', '』'),
    ('＂', '＂'),
];

/// Returns the text between a pair of quotes, backticks or signs of emphasis.
fn inside(name: &str) -> Option<&str> {
    let first = name.chars().next()?;
    let inside = if matches!(first, '*' | '_' | '`') {
        let inside = name.trim_start_matches(first);
        let pair = name.get(..name.len() - inside.len())?;
        inside.strip_suffix(pair).filter(|inside| !inside.ends_with(first))?
    } else {
        let mut pairs = QUOTES.iter().filter(|(open, _)| *open == first);
        pairs.find_map(|(open, close)| name.strip_prefix(*open)?.strip_suffix(*close))?
    };
    (!inside.trim().is_empty()).then_some(inside)
}

/// Iterates over a name in small letters, without the signs between its words.
fn key(name: &str) -> impl Iterator<Item = char> + '_ {
    Joined { rest: name, before: None, kept: 0 }.flat_map(lower)
}

/// Lowers a character; the Kelvin sign, which only looks like a K, stays.
fn lower(c: char) -> impl Iterator<Item = char> {
    let is_sign = c == '\u{212a}';
    let letters = (!is_sign).then(|| c.to_lowercase());
    letters.into_iter().flatten().chain(is_sign.then_some(c))
}

/// Iterates over a name without the blanks, hyphens and underscores between its words.
struct Joined<'a> {
    rest: &'a str,
    before: Option<char>,
    /// Bytes of the next joining signs that belong to the name.
    kept: usize,
}

impl Iterator for Joined<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut c = self.rest.chars().next()?;
        if self.kept == 0 && is_join(c) {
            let length = self.rest.find(|c| !is_join(c)).unwrap_or(self.rest.len());
            let (run, behind) = self.rest.split_at(length);
            match behind.chars().next().filter(|next| joins(self.before, run, *next)) {
                Some(next) => (self.rest, c) = (behind, next),
                None => self.kept = length,
            }
        }
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        self.kept = self.kept.saturating_sub(c.len_utf8());
        self.before = Some(c);
        Some(if is_dash(c) { '-' } else { c })
    }
}

/// True if the signs between two characters only join words. A hyphen behind a blank and before a digit may be a minus.
fn joins(before: Option<char>, run: &str, behind: char) -> bool {
    let Some(before) = before else { return false };
    let is_one = || run.chars().count() == 1 || run.chars().all(char::is_whitespace);
    match (before.is_alphabetic(), behind.is_alphabetic()) {
        (true, true) => true,
        (true, false) => behind.is_numeric() && is_one(),
        (false, true) => before.is_numeric() && is_one(),
        (false, false) => false,
    }
}

fn is_join(c: char) -> bool {
    c.is_whitespace() || c == '_' || is_dash(c)
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'n>(names: &[&'n str], given: &str) -> Option<&'n str> {
        find(names.iter().map(|name| (*name, *name)), given)
    }

    #[test]
    fn signs_and_digits_of_a_name_must_be_equal() {
        let ages = ["<18", "18-39", "40-64", "65+"];
        for none in ["> 18", ">18", "18", "<65", "1839", "18 39", "18_39", "65", "6 5+", "-18", "< 18", "≤18"]
        {
            assert_eq!(read(&ages, none), None, "{none}");
        }
        for (names, given, meant) in [
            (&["B-", "B", "B+"][..], "b-", Some("B-")),
            (&["B-", "B", "B+"], "b.", Some("B")),
            (&["B-", "B+"], "B", None),
            (&["B"], "B-", None),
            (&["B"], "B -", None),
            (&["C#", "C++", "C"], "c#", Some("C#")),
            (&["C#", "C++"], "C", None),
            (&["10", "1.0"], "10.", Some("10")),
            (&["1.0"], "10", None),
            (&["1", "-1"], "−1", Some("-1")),
            (&["1"], "-1", None),
            (&["level -1"], "level 1", None),
            (&["Yes"], "Yes!", None),
            (&["node.js"], "nodejs", None),
            (&["_id", "id"], "ID", Some("id")),
            (&["id"], "_id", None),
            (&["a/b"], "a b", None),
            (&["50%"], "50", None),
            (&["<", "<=", "*"], "***", None),
            (&["k"], "\u{212a}", None),
        ] {
            assert_eq!(read(names, given), meant, "{given} of {names:?}");
        }
    }

    #[test]
    fn case_and_joining_signs_may_differ_where_one_name_is_meant() {
        for given in
            ["very high", "VERY-HIGH", "very_high", "veryHigh", "very–high", "Very  High", "very - high"]
        {
            assert_eq!(read(&["Low", "VeryHigh"], given), Some("VeryHigh"), "{given}");
        }
        for given in ["level 1", "LEVEL_1", "Level-1", "level1"] {
            assert_eq!(read(&["Level1", "Level10"], given), Some("Level1"), "{given}");
        }
        assert_eq!(read(&["A_B", "ab", "C"], "a b"), None);
        assert_eq!(read(&["A_B", "ab", "C"], "c"), Some("C"));
        assert_eq!(read(&["a_1_2", "a_12"], "A 1_2"), Some("a_1_2"));
        assert_eq!(read(&["18-39"], "18–39"), Some("18-39"));
    }

    #[test]
    fn quotes_emphasis_and_one_final_sign_around_a_name_are_ignored() {
        for given in [
            "\"low\"",
            "'low'",
            "`Low`",
            "**Low**",
            "_low_",
            "***low***",
            "“Low”",
            "**`low`**.",
            "\"Low.\"",
            "Low,",
            "low:",
            " low; ",
            "**Low:**",
            "``low``",
        ] {
            assert_eq!(read(&["Low", "High"], given), Some("Low"), "{given}");
        }
        for none in [
            "Low..",
            "\"Low",
            "Low**",
            "*Low**",
            "(Low)",
            "\"Low\" or \"High\"",
            "Low.;",
            "~~Low~~",
            "",
            "\"\"",
            ".",
        ] {
            assert_eq!(read(&["Low", "High"], none), None, "{none}");
        }
        assert_eq!(read(&[";", ":", ","], "\";\""), Some(";"));
        assert_eq!(read(&["U.S.", "U.K."], "u.s."), Some("U.S."));
    }

    #[test]
    fn a_name_begins_with_each_of_its_prefixes() {
        let name = "short_answer_2";
        for text in ["", "s", "SHORT", "short-", "shortA", "short answer ", "ShortAnswer2", "short_answer_2"]
        {
            assert!(begins(name, text), "{text}");
        }
        for text in ["sa", "short.", "short_answer_3", "short_answer_22"] {
            assert!(!begins(name, text), "{text}");
        }
    }

    #[test]
    fn many_joining_signs_take_linear_time() {
        let bait = format!("a{}1", "-_ ".repeat(100_000));
        assert!(!is_same(&bait, "a1") && is_same(&bait, &bait.to_uppercase()));
    }
}
