//! Decimal numbers with every digit that is written.

use std::cmp::Ordering;

/// Most digits of a whole number of 128 bits.
const WHOLE: usize = 39;

/// Most digits of a number that is written without its exponent.
const PLAIN: usize = 400;

/// Most significant digits that a 64-bit float can have.
const FLOAT: usize = 767;

/// A decimal number: its digits, and a power of ten.
#[derive(Clone, Debug)]
pub(crate) struct Numeral {
    is_negative: bool,
    /// The digits without leading zeros; empty for zero.
    digits: String,
    /// How many zeros follow the digits; if negative, how many digits stand behind the point.
    exponent: i64,
    has_exponent: bool,
}

impl Numeral {
    /// Parses a number in JSON's form, or in Python's or JavaScript's: `1_000`, `+5`, `.5`, `2.`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (unsigned.get(..at)?, Some(unsigned.get(at + 1..)?)),
            None => (unsigned, None),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && part.is_empty() || whole.starts_with('0') && whole.len() > 1 {
            return None;
        }
        let mut digits = digits(whole)? + &digits(part)?;
        let behind = digits.len() - whole.bytes().filter(u8::is_ascii_digit).count();
        let leading = digits.len() - digits.trim_start_matches('0').len();
        digits.drain(..leading);
        let shift = exponent.map_or(Some(0), shift)?;
        Some(Self {
            is_negative: text.starts_with('-'),
            exponent: shift.saturating_sub(behind as i64),
            has_exponent: exponent.is_some(),
            digits,
        })
    }

    /// Counts the significant digits: those without zeros at either end.
    pub(crate) fn significant(&self) -> usize {
        self.digits.trim_end_matches('0').len()
    }

    /// True if the number is written with an exponent, or with digits behind a point.
    pub(crate) fn is_spelled_as_float(&self) -> bool {
        self.has_exponent || self.exponent < 0
    }

    fn sign(&self) -> &'static str {
        if self.is_negative && !self.digits.is_empty() { "-" } else { "" }
    }

    /// Counts the digits before the point; negative for a small fraction.
    fn magnitude(&self) -> i64 {
        self.exponent.saturating_add(self.digits.len() as i64)
    }

    /// Returns a whole number's digits, if it has at most `most` of them.
    fn whole_within(&self, most: usize) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".into());
        }
        let length = usize::try_from(self.magnitude()).ok().filter(|length| (1..=most).contains(length))?;
        let (before, behind) = self.digits.split_at(length.min(self.digits.len()));
        let zeros = length - before.len();
        behind
            .bytes()
            .all(|digit| digit == b'0')
            .then(|| format!("{}{before}{}", self.sign(), "0".repeat(zeros)))
    }

    /// Returns the number as digits alone, if it is a whole number that could fit 128 bits.
    pub(crate) fn whole(&self) -> Option<String> {
        self.whole_within(WHOLE)
    }

    fn is_whole(&self) -> bool {
        self.digits.is_empty()
            || self.exponent.saturating_add((self.digits.len() - self.significant()) as i64) >= 0
    }

    /// Writes the number without an exponent; `None` if that would take more than 400 digits.
    pub(crate) fn plain(&self) -> Option<String> {
        if self.digits.is_empty() && self.has_exponent {
            return Some("0".into());
        }
        let before = usize::try_from(self.magnitude().max(0)).ok().filter(|length| *length <= PLAIN)?;
        let behind =
            usize::try_from(self.exponent.min(0).unsigned_abs()).ok().filter(|length| *length <= PLAIN)?;
        let sign = if self.is_negative { "-" } else { "" };
        // Zeros fill the places that have no digit.
        let all = "0".repeat((before + behind).saturating_sub(self.digits.len()));
        let all = match self.exponent > 0 {
            true => format!("{}{all}", self.digits),
            false => format!("{all}{}", self.digits),
        };
        let (whole, part) = all.split_at(all.len().saturating_sub(behind));
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
    }

    /// Returns the nearest 64-bit float; `None` beyond the range of floats.
    pub(crate) fn float(&self) -> Option<f64> {
        self.scientific().parse::<f64>().ok().filter(|float| float.is_finite())
    }

    /// Returns the nearest 32-bit float; `None` beyond the range of floats.
    pub(crate) fn single(&self) -> Option<f32> {
        self.scientific().parse::<f32>().ok().filter(|float| float.is_finite())
    }

    fn scientific(&self) -> String {
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        format!("{}{digits}e{}", if self.is_negative { "-" } else { "" }, self.exponent)
    }

    /// True if the nearest float keeps every written digit of a whole number. A fraction may always be rounded.
    pub(crate) fn is_held_by(&self, float: f64) -> bool {
        if !self.is_whole() {
            return true;
        }
        if !self.has_exponent {
            return self.whole_within(PLAIN).is_some_and(|digits| digits == format!("{:.0}", float + 0.0));
        }
        let digits = self.significant();
        if digits == 0 || digits > FLOAT {
            return digits == 0;
        }
        let written = format!("{:.*e}", digits - 1, float.abs());
        let digits = self.digits.get(..digits).unwrap_or_default();
        written.split_once('e').is_some_and(|(mantissa, _)| mantissa.replace('.', "") == digits)
    }

    /// Compares two numbers by value.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let significant = |number: &Self| number.digits.trim_end_matches('0').to_owned();
        // Digits of equal magnitude are in the order of texts.
        let size =
            self.magnitude().cmp(&other.magnitude()).then_with(|| significant(self).cmp(&significant(other)));
        sign(self).cmp(&sign(other)).then(match sign(self) {
            0 => Ordering::Equal,
            1 => size,
            _ => size.reverse(),
        })
    }
}

/// Returns the digits of a text of digits with underscores between them.
fn digits(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_good = |(at, byte): (usize, &u8)| match byte {
        b'_' => at > 0 && is_digit(at - 1) && is_digit(at + 1),
        byte => byte.is_ascii_digit(),
    };
    bytes.iter().enumerate().all(is_good).then(|| text.replace('_', ""))
}

/// Parses the number behind an `e`; a huge one is clamped to 2^61.
fn shift(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let shift = unsigned.parse().unwrap_or(i64::MAX).min(i64::MAX >> 2);
    Some(if text.starts_with('-') { -shift } else { shift })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Numeral {
        Numeral::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn whole_numbers_are_read_in_every_spelling_and_fractions_are_not_whole() {
        for (text, whole) in [
            ("0", Some("0")),
            ("-0", Some("0")),
            ("-0.0", Some("0")),
            ("1e3", Some("1000")),
            ("1.5e1", Some("15")),
            ("100e-2", Some("1")),
            ("+1_000.", Some("1000")),
            ("9007199254740993.0", Some("9007199254740993")),
            ("-170141183460469231731687303715884105728", Some("-170141183460469231731687303715884105728")),
            ("0e999", Some("0")),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("2.5", None),
            ("1e-2", None),
            (".5", None),
        ] {
            assert_eq!(number(text).whole().as_deref(), whole, "{text}");
        }
        for text in [
            "", ".", "-", "007", "1__0", "_1", "1_", "1e", "e5", "1.2.3", "--5", "+-5", "5x", "1e5.0", "NaN",
            "1 0",
        ] {
            assert!(Numeral::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_number_is_written_plainly_with_every_digit() {
        for (text, plain) in [
            ("1.50", "1.50"),
            ("1e3", "1000"),
            ("1.50e1", "15.0"),
            ("1e-3", "0.001"),
            ("-.5", "-0.5"),
            ("2.", "2"),
            ("0.000", "0.000"),
            ("-0", "-0"),
            ("12345678901234567.89", "12345678901234567.89"),
        ] {
            assert_eq!(number(text).plain().as_deref(), Some(plain), "{text}");
        }
        assert_eq!(number("1e401").plain(), None);
        assert_eq!(number("1e-401").plain(), None);
    }

    #[test]
    fn a_float_holds_a_whole_number_only_with_every_digit() {
        for (text, held) in [
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("9007199254740993.0", false),
            ("9007199254740993e0", false),
            ("-9007199254740993", false),
            ("9007199254740993.5", true),
            ("1e23", true),
            ("6.02214076e23", true),
            ("1.7976931348623157e308", true),
            ("100000000000000000000000", false),
            ("100000000000000000000", true),
            ("0.1", true),
            ("-0", true),
            ("0e5", true),
        ] {
            let number = number(text);
            assert_eq!(number.float().is_some_and(|float| number.is_held_by(float)), held, "{text}");
        }
        assert_eq!(number("1e400").float(), None);
        assert_eq!(number("1e39").single(), None);
        assert!(!number("16777217").is_held_by(number("16777217").single().unwrap().into()));
        assert_eq!(number("1.0000000596046448").single(), Some(1.000_000_1));
    }

    #[test]
    fn numbers_compare_by_value_whatever_their_spelling() {
        let ordered = [
            "-1e400",
            "-2",
            "-1.5",
            "-0.1",
            "0",
            "1e-9",
            "0.3",
            "0.30000000000000000001",
            "1",
            "9",
            "10",
            "1e400",
        ];
        for (index, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                assert_eq!(number(a).compare(&number(b)), index.cmp(&other), "{a} {b}");
            }
        }
        assert!(number("1.50").compare(&number("15e-1")).is_eq());
        assert!(number("-0").compare(&number("0")).is_eq());
    }
}
