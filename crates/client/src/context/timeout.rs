//! Deadlines on the wire: relative, so that clocks need not agree.

use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// gRPC's: up to eight digits and a unit, `H`, `M`, `S`, `m`, `u` or `n`.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";
/// Ours for HTTP: a number of milliseconds.
pub const SYNOD_TIMEOUT: &str = "synod-timeout-ms";

/// Longer waits are taken for this long, so that none can overflow a clock: 30 days.
const MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The shortest that the headers ask for. What cannot be read is passed over.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let all = |name, parse: fn(&str) -> Option<Duration>| {
        headers.get_all(name).into_iter().filter_map(move |value| parse(value.to_str().ok()?))
    };
    all(GRPC_TIMEOUT, parse_grpc).chain(all(SYNOD_TIMEOUT, parse_ms)).min()
}

/// Writes `timeout`, unless a shorter one is there: gRPC's header in a request of gRPC, ours in others.
pub(super) fn limit(headers: &mut HeaderMap, timeout: Duration) {
    if is_grpc(headers) {
        limit_grpc(headers, timeout);
    } else {
        let timeout = read(headers).map_or(timeout, |there| there.min(timeout)).min(MAX);
        put(headers, SYNOD_TIMEOUT, &timeout.as_millis().to_string());
    }
}

/// Writes `timeout` as `grpc-timeout`, unless a shorter one is there.
pub(super) fn limit_grpc(headers: &mut HeaderMap, timeout: Duration) {
    let timeout = read(headers).map_or(timeout, |there| there.min(timeout));
    put(headers, GRPC_TIMEOUT, &grpc(timeout));
}

fn put(headers: &mut HeaderMap, name: &'static str, text: &str) {
    if let Ok(value) = text.parse() {
        headers.insert(name, value);
    }
}

/// Whether these are the headers of a request of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// As in `grpc-timeout`, rounded down: nobody is promised more time than there is.
fn grpc(timeout: Duration) -> String {
    let timeout = timeout.min(MAX);
    match (timeout.as_micros(), timeout.as_millis()) {
        (micros, _) if micros < 100_000_000 => format!("{micros}u"),
        (_, millis) if millis < 100_000_000 => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs()),
    }
}

fn parse_grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number(digits).filter(|_| digits.len() <= 8)?;
    let timeout = match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    Some(timeout.min(MAX))
}

fn parse_ms(text: &str) -> Option<Duration> {
    number(text).map(|number| Duration::from_millis(number).min(MAX))
}

/// A number of digits alone: no sign, no blank, no overflow.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn timeouts_of_grpc_are_read_and_written() {
        let ms = Duration::from_millis;
        for (text, timeout) in [
            ("1H", ms(3_600_000)),
            ("2M", ms(120_000)),
            ("3S", ms(3000)),
            ("250m", ms(250)),
            ("1000u", ms(1)),
            ("5n", Duration::from_nanos(5)),
            ("99999999H", MAX),
        ] {
            assert_eq!(parse_grpc(text), Some(timeout), "{text}");
        }
        for bad in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", " 1S", "1.5S", "1ü", "ü"] {
            assert_eq!(parse_grpc(bad), None, "{bad}");
        }
        for timeout in [Duration::ZERO, ms(1), ms(99_999), ms(100_000), ms(99_999_999), MAX] {
            assert_eq!(parse_grpc(&grpc(timeout)), Some(timeout), "{timeout:?}");
        }
        assert_eq!(grpc(Duration::from_nanos(1999)), "1u");
        assert_eq!(parse_grpc(&grpc(Duration::MAX)), Some(MAX));
    }

    #[test]
    fn the_shortest_counts_and_nonsense_does_not() {
        let read = |pairs: &[(&'static str, &str)]| read(&headers(pairs)).map(|timeout| timeout.as_millis());
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[(SYNOD_TIMEOUT, "250")]), Some(250));
        assert_eq!(read(&[(SYNOD_TIMEOUT, "250"), (GRPC_TIMEOUT, "1S"), (SYNOD_TIMEOUT, "300")]), Some(250));
        for bad in ["", "x", "-1", "1.5", "1e3", "99999999999999999999999"] {
            assert_eq!(read(&[(SYNOD_TIMEOUT, bad)]), None, "{bad}");
        }
        assert_eq!(read(&[(SYNOD_TIMEOUT, "18446744073709551615")]), Some(MAX.as_millis()));
    }

    #[test]
    fn a_timeout_is_written_where_it_is_shorter() {
        let second = Duration::from_secs(1);
        for (there, name, then) in [
            (vec![], SYNOD_TIMEOUT, "1000"),
            (vec![(SYNOD_TIMEOUT, "300")], SYNOD_TIMEOUT, "300"),
            (vec![(SYNOD_TIMEOUT, "3000")], SYNOD_TIMEOUT, "1000"),
            (vec![(SYNOD_TIMEOUT, "x")], SYNOD_TIMEOUT, "1000"),
            (vec![("content-type", "application/grpc+proto")], GRPC_TIMEOUT, "1000000u"),
            (vec![("content-type", "application/grpc"), (GRPC_TIMEOUT, "3m")], GRPC_TIMEOUT, "3000u"),
        ] {
            let mut headers = headers(&there);
            limit(&mut headers, second);
            assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [then], "{there:?}");
        }
    }
}
