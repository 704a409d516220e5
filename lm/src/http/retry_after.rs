//! Reads the headers about another attempt in a server's refusal.

use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long the server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as one of HTTP's three forms of a date. The
/// first readable value of a header counts.
///
/// `None` if the wait is zero (0, a date that has passed) or invalid (garbage, negative, not a number, larger than any time); the
/// caller's own back-off counts then.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds = || first(headers, "retry-after-ms", |value| seconds(value, 0.001));
    let seconds_or_date = |value: &str| seconds(value, 1.0).or_else(|| until(value, headers));
    let wait = milliseconds().or_else(|| first(headers, RETRY_AFTER.as_str(), seconds_or_date));
    wait.filter(|wait| !wait.is_zero())
}

/// Whether the server says that the request may be sent again.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    first(headers, "x-should-retry", |value| match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// The first readable value of a header.
fn first<T>(headers: &HeaderMap, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.map(str::trim).find_map(read)
}

fn seconds(value: &str, unit: f64) -> Option<Duration> {
    // Refuses negative and too large numbers, and NaN.
    Duration::try_from_secs_f64(value.parse::<f64>().ok()? * unit).ok()
}

/// The time until a date by the server's own clock, so that the two clocks may differ; by this machine's clock only if the server
/// sends no date.
fn until(value: &str, headers: &HeaderMap) -> Option<Duration> {
    let then = httpdate::parse_http_date(value).ok()?;
    let now = first(headers, DATE.as_str(), |date| httpdate::parse_http_date(date).ok());
    then.duration_since(now.unwrap_or_else(SystemTime::now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// The wait in milliseconds.
    fn wait_of(pairs: &[(&'static str, &str)]) -> Option<u128> {
        wait(&headers(pairs)).map(|wait| wait.as_millis())
    }

    #[test]
    fn a_wait_is_read_from_numbers() {
        for (value, milliseconds) in [
            ("2", 2_000),
            (" 0.5 ", 500),
            ("+3", 3_000),
            ("1e3", 1_000_000),
            ("86400", 86_400_000),
            ("0.001", 1),
        ] {
            assert_eq!(wait_of(&[("retry-after", value)]), Some(milliseconds), "{value}");
        }
        assert_eq!(wait_of(&[("retry-after-ms", "250")]), Some(250));
        assert_eq!(wait_of(&[("retry-after-ms", "1500.5")]), Some(1500));
        assert_eq!(wait_of(&[("retry-after", "9"), ("retry-after-ms", "250")]), Some(250));
        assert_eq!(wait_of(&[("retry-after", "3"), ("retry-after-ms", "x")]), Some(3_000));
    }

    #[test]
    fn a_wait_is_read_from_each_form_of_date_by_the_servers_clock() {
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            let now = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");
            assert_eq!(wait_of(&[("retry-after", date), now]), Some(30_000), "{date}");
        }
        // By this machine's clock, if the server sends no date, or an unreadable one.
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        for pairs in [&[("retry-after", &*soon)][..], &[("retry-after", &*soon), ("date", "today")]] {
            assert!((90_000..=100_000).contains(&wait_of(pairs).unwrap()), "{pairs:?}");
        }
    }

    #[test]
    fn a_wait_of_nothing_is_none() {
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for past in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:36 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(wait_of(&[("retry-after", past), now]), None, "{past}");
        }
        for none in ["0", "0.0", "-0", "1e-30"] {
            assert_eq!(wait_of(&[("retry-after", none)]), None, "{none}");
            assert_eq!(wait_of(&[("retry-after-ms", none)]), None, "{none}");
        }
    }

    #[test]
    fn garbage_is_none_and_never_fails() {
        for garbage in [
            "",
            "-1",
            "-1e300",
            "NaN",
            "nan",
            "inf",
            "-inf",
            "infinity",
            "1e308",
            "1e300",
            "1e400",
            "soon",
            "0x10",
            "1,5",
            "5 s",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
            "Wed, 21 Oct 2015",
            "2015-10-21T07:28:00Z",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
        ] {
            assert_eq!(wait_of(&[("retry-after", garbage)]), None, "{garbage}");
            assert_eq!(wait_of(&[("retry-after-ms", garbage)]), None, "{garbage}");
            assert_eq!(wait_of(&[("retry-after", garbage), ("retry-after", "3")]), Some(3_000), "{garbage}");
        }
        // The largest valid time counts.
        assert!(wait_of(&[("retry-after", "1e18")]).is_some());
        let bytes = http::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
        assert_eq!(wait(&HeaderMap::from_iter([(RETRY_AFTER, bytes)])), None);
    }

    #[test]
    fn a_header_given_twice_counts_once() {
        assert_eq!(wait_of(&[("retry-after", "2"), ("retry-after", "9")]), Some(2_000));
        assert_eq!(wait_of(&[("retry-after-ms", "soon"), ("retry-after-ms", "9")]), Some(9));
    }

    #[test]
    fn should_retry_is_true_or_false_or_none() {
        let word = |value: &str| should_retry(&headers(&[("x-should-retry", value)]));
        assert_eq!((word("true"), word(" TRUE "), word("False")), (Some(true), Some(true), Some(false)));
        assert_eq!((word("1"), word(""), should_retry(&HeaderMap::new())), (None, None, None));
    }
}
