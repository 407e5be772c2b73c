//! Times as Go writes them: RFC 3339 with as many digits of the second as it takes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Nanoseconds since 1970.
    pub epoch_ns: u64,
}

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

impl Time {
    /// From milliseconds since 1970; what is beyond the year 2554 becomes that.
    pub const fn from_ms(epoch_ms: u64) -> Self {
        Self { epoch_ns: epoch_ms.saturating_mul(1_000_000) }
    }

    /// Milliseconds since 1970.
    pub const fn epoch_ms(self) -> u64 {
        self.epoch_ns / 1_000_000
    }

    /// Reads RFC 3339 with any offset; none for anything else, and for times before 1970 or after 2554.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let mut parts = date.split('-').map(number);
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let days = days_from_civil(year, month, day)?;
        let clock = rest.strip_prefix(['T', 't'])?;
        let mut parts = clock.get(..8)?.split(':').map(number);
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (fraction_ns, offset) = fraction(clock.get(8..)?)?;
        let local_s = i64::try_from(days * DAY_S + hour * 3600 + minute * 60 + second).ok()?;
        let seconds = u64::try_from(local_s - offset_s(offset)?).ok()?;
        Some(Self { epoch_ns: seconds.checked_mul(SECOND_NS)?.checked_add(fraction_ns)? })
    }
}

fn number(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Nanoseconds of `.123`, if that is there, and what follows it.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at(length);
    let ns = format!("{:0<9}", digits.get(..9).unwrap_or(digits)).parse().ok()?;
    if length == 0 { None } else { Some((ns, rest)) }
}

/// Seconds of `Z`, `+08:00` or the like.
fn offset_s(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    let (hours, minutes) = (i64::try_from(number(hours)?).ok()?, i64::try_from(number(minutes)?).ok()?);
    if hours > 23 || minutes > 59 { None } else { Some(sign * (hours * 3600 + minutes * 60)) }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of January of `year`, from the first of January 1970 on.
const fn days_before_year(year: u64) -> u64 {
    let before = year - 1;
    before * 365 + before / 4 - before / 100 + before / 400 - 719_162
}

fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || day == 0
        || day > month_days(year, month)
    {
        return None;
    }
    let months: u64 = (1..month).map(|month| month_days(year, month)).sum();
    Some(days_before_year(year) + months + day - 1)
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Never too late: no year is longer than 366 days.
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let (mut month, mut day) = (1, days - days_before_year(year));
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ns) = (self.epoch_ns / SECOND_NS, self.epoch_ns % SECOND_NS);
        let (year, month, day) = civil_from_days(seconds / DAY_S);
        let (hour, minute, second) = (seconds % DAY_S / 3600, seconds % 3600 / 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if ns > 0 {
            let digits = format!("{ns:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no time of RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400 * SECOND_NS, "2000-02-29T00:00:00Z"),
            (4_107_542_399 * SECOND_NS + 500_000_000, "2100-02-28T23:59:59.5Z"),
            (1_795_291_710_327_161_073, "2026-11-21T20:08:30.327161073Z"),
            (1_795_291_710_000_000_100, "2026-11-21T20:08:30.0000001Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ];
        for (epoch_ns, text) in known {
            assert_eq!(Time { epoch_ns }.to_string(), text);
            assert_eq!(Time::parse(text), Some(Time { epoch_ns }));
        }
    }

    #[test]
    fn offsets_and_long_fractions_are_read() {
        let same = Time::parse("2026-11-21T20:08:30.5Z");
        for text in [
            "2026-11-22T04:08:30.5+08:00",
            "2026-11-21t15:38:30.50-04:30",
            "2026-11-21T20:08:30.5000000000009z",
        ] {
            assert_eq!(Time::parse(text), same, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let odd = [
            "",
            "2026",
            "2026-11-21",
            "2026-11-21 20:08:30Z",
            "2026-11-21T20:08:30",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T20:08:30.Z",
            "2026-11-21T20:08:30+08",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "9999-01-01T00:00:00Z",
            "+026-11-21T20:08:30Z",
            "2026-11-21T20:08:30ZZ",
            "20é6-11-21T20:08:30Z",
        ];
        for text in odd {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_back(epoch_ns: u64) {
            prop_assert_eq!(Time::parse(&Time { epoch_ns }.to_string()), Some(Time { epoch_ns }));
        }
    }
}
