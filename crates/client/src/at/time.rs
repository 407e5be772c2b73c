//! Dates and times as text, and as Java counts them: milliseconds since 1970. The calendar is the proleptic Gregorian one; Java's
//! old classes have another before 1582, which is why nothing that old is taken.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// The first year that all of Java's classes count alike.
const YEAR_MIN: i64 = 1583;
const YEAR_MAX: i64 = 9999;

/// Days since 1970 of a date in text.
pub(super) fn days(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let days = from_civil(year, month, day);
    let exists = civil(days) == (year, month, day) && (YEAR_MIN..=YEAR_MAX).contains(&year);
    exists.then_some(days)
}

/// The text of a date.
pub(super) fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Microseconds since 1970 of `2024-02-03 04:05:06.789` or with a `T`, and with an offset from UTC (`+01`, `+05:30`) or none.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let (time, offset) = match time.find(['+', '-', 'Z']) {
        Some(at) => (&time[..at], offset_seconds(&time[at..])?),
        None => (time, 0),
    };
    Some(days(date)? * DAY + time_micros(time)? - offset * 1_000_000)
}

/// The text of such a time: `2024-02-03 04:05:06.789`, as short as it can be.
pub(super) fn datetime(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format!("{} {hour:02}:{minute:02}:{second:02}", date(days));
    if fraction == 0 {
        return text;
    }
    format!("{text}.{}", format!("{fraction:06}").trim_end_matches('0'))
}

/// Microseconds of a time of day.
pub(super) fn time_micros(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let second = number(second)?;
    if hour > 23 || minute > 59 || second > 59 || fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let micros = number(&format!("{fraction:0<6}"))?;
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Microseconds of seconds since 1970, which there are some of: `1706933106.123456`.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let whole = whole.parse::<u32>().ok().filter(|seconds| *seconds > 0)?;
    Some(i64::from(whole) * 1_000_000 + number(&format!("{fraction:0<6}"))?)
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut seconds = 0;
    for (part, weight) in text.get(1..)?.split(':').zip([3600, 60, 1]) {
        seconds += number(part)? * weight;
    }
    Some(sign * seconds)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Days since 1970, by counting years from March on, in eras of 400 years.
fn from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let march = (5 * of_year + 2) / 153;
    let (month, day) = ((march + 2) % 12 + 1, of_year - (153 * march + 2) / 5 + 1);
    (era * 400 + years + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_counts_agree() {
        for (text, count) in [
            ("2024-02-03 04:05:06.789", 1_706_933_106_789_000),
            ("2024-02-03 04:05:06.123456", 1_706_933_106_123_456),
            ("1970-01-01 00:00:00", 0),
            ("1969-12-31 23:59:59.5", -500_000),
            ("1600-02-29 12:00:00", -11_670_955_200_000_000),
        ] {
            assert_eq!(micros(text), Some(count), "{text}");
            assert_eq!(datetime(count), text);
        }
        assert_eq!(micros("2024-02-03 05:35:06+01:30"), micros("2024-02-03T04:05:06Z"));
        assert_eq!(micros("2024-02-03 04:05:06+00"), micros("2024-02-03 04:05:06"));
        for bad in
            ["infinity", "0000-00-00 00:00:00", "2023-02-29 00:00:00", "2024-02-03 24:00:00", "2024-02-03"]
        {
            assert_eq!(micros(bad), None, "{bad}");
        }
        assert_eq!(days("2024-02-03").map(date).as_deref(), Some("2024-02-03"));
    }
}
