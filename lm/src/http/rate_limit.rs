//! Reads the headers in which servers report their limits: OpenAI's, which Groq and many others send too
//! (<https://platform.openai.com/docs/guides/rate-limits>, <https://console.groq.com/docs/rate-limits>).

use std::time::Duration;

use http::HeaderMap;

use crate::report::RateLimit;

/// From this number of seconds on, a bare number is a date, which is left out: the wall clock is not read.
const DATES: f64 = 1e8;

/// The limits in the headers; `None` if there are none. A value that cannot be read is absent, never an error.
pub(crate) fn read(headers: &HeaderMap) -> Option<RateLimit> {
    let mut limits = RateLimit::default();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("x-ratelimit-") else { continue };
        let (Some((what, of)), Ok(value)) = (name.split_once('-'), value.to_str()) else { continue };
        let allowance = match of {
            "requests" => &mut limits.requests,
            "tokens" => &mut limits.tokens,
            _ => continue,
        };
        // The first readable value of a header counts.
        match what {
            "limit" => allowance.limit = allowance.limit.or(count(value)),
            "remaining" => allowance.remaining = allowance.remaining.or(count(value)),
            "reset" => allowance.reset = allowance.reset.or(duration(value.trim())),
            _ => {}
        }
    }
    limits.if_any()
}

fn count(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `6m0s`, `1h2m3.5s`, `12ms`, or a bare number of seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        // The range excludes NaN and infinities.
        return (0.0..DATES).contains(&seconds).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten();
    }
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let (mut rest, mut seconds) = (text, 0.0);
    loop {
        let (number, tail) = rest.split_at(rest.find(|c| !is_of_number(c))?);
        let (unit, tail) = tail.split_at(tail.find(is_of_number).unwrap_or(tail.len()));
        let scale = match unit.trim() {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
        if rest.is_empty() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Allowance;

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn durations_are_read_in_each_form_and_nothing_fails() {
        for (text, milliseconds) in [
            ("1s", 1_000),
            ("12ms", 12),
            ("6m0s", 360_000),
            ("6m 0s", 360_000),
            ("1h2m3.5s", 3_723_500),
            ("2m59.56s", 179_560),
            ("1d", 86_400_000),
            ("0s", 0),
            ("0", 0),
            ("7.66", 7_660),
            ("60", 60_000),
            ("500us", 0),
        ] {
            let read = duration(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.as_millis(), milliseconds, "{text}");
        }
        for garbage in [
            "",
            "s",
            "-1s",
            "-1",
            "soon",
            "1x",
            "1s2",
            "1..2s",
            "..s",
            "NaN",
            "inf",
            "1e999",
            "1m-2s",
            "1759000000",
            "1759000000000",
            "2026-11-21T10:00:00Z",
            "99999999999999999999999d",
            "1s;2s",
        ] {
            assert_eq!(duration(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn the_headers_of_openai_are_read_and_odd_values_are_absent() {
        let openai = read(&headers(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", " 59 "),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]));
        let allowance = |limit, remaining, seconds| Allowance {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs(seconds)),
        };
        let expected = RateLimit { requests: allowance(60, 59, 1), tokens: allowance(150_000, 149_984, 360) };
        assert_eq!(openai, Some(expected));
        let odd = [
            ("x-ratelimit-limit-requests", "many"),
            ("x-ratelimit-limit-requests", "7"),
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-reset-requests", "2026-11-21T10:00:00Z"),
        ];
        let read_odd = read(&headers(&odd)).unwrap();
        assert_eq!(read_odd.requests, Allowance { limit: Some(7), ..Allowance::default() });
        for nothing in [&odd[..1], &odd[2..], &[("x-ratelimit-limit-tokens", "99999999999999999999999")]] {
            assert_eq!(read(&headers(nothing)), None);
        }
    }
}
