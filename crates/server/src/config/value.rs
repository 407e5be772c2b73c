//! Values of configuration keys: parsing them from text, and handing them out as Rust types.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::Kind;

/// Longest duration any key accepts: ten years, so that sums of instants never overflow.
const DURATION_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Pauses of one schedule.
const PAUSES_MAX: usize = 100;

/// Where a listener listens, or where something is reached: a host name or IP literal, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Host name or IP, an IPv6 one without brackets.
    pub host: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
}

impl Address {
    /// Whether only this machine can reach it. A name other than `localhost` counts as reachable by others.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Reads `host:port`, `[v6]:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        // Signs are no digits: `parse` alone would take "+80".
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { host: parse_host(host)?, port: port.parse().ok()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads a host: a name, an IPv4, or an IPv6 in brackets.
fn parse_host(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner.parse::<std::net::Ipv6Addr>().ok().map(|ip| ip.to_string());
    }
    let name = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    name.then(|| text.to_owned())
}

/// Reads the host of `--bind`: as in an address, and an IPv6 also without brackets.
pub(super) fn parse_bind(text: &str) -> Option<String> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(ip.to_string()),
        Err(_) => parse_host(text),
    }
}

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Integer(u64),
    Duration(Duration),
    Text(String),
    List(Vec<String>),
    Address(Option<Address>),
    Ratio(f64),
    Pauses(Vec<Duration>),
    Schedules(BTreeMap<String, Vec<Duration>>),
}

/// What a layer wrote; all but text only the file can.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    /// An array of texts.
    Array(Vec<String>),
    /// An array of tables or arrays, which no key takes.
    Nested(String),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array(items) => write!(f, "{items:?}"),
            Self::Nested(text) => f.write_str(text),
        }
    }
}

/// Reads what a layer wrote as a value of `kind`; `None` when it is not one.
pub(super) fn parse(kind: Kind, raw: &Raw) -> Option<Value> {
    let text = match (raw, kind) {
        (Raw::Array(items), Kind::List) => return Some(Value::List(items.clone())),
        (Raw::Array(items), Kind::Urls) => return urls(items.iter().map(String::as_str)),
        (Raw::Array(items), Kind::Schedules) => return schedules(items.iter().map(String::as_str)),
        (Raw::Array(_) | Raw::Nested(_), _) => return None,
        (Raw::Text(text), _) => text.trim(),
    };
    match kind {
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Integer { min, max } => {
            let number = parse_digits(text)?;
            (min..=max).contains(&number).then_some(Value::Integer(number))
        }
        Kind::Duration { zero } => {
            let duration = parse_duration(text)?;
            (zero || !duration.is_zero()).then_some(Value::Duration(duration))
        }
        Kind::Size => parse_size(text).map(Value::Integer),
        Kind::SizeWithin { min, max } => {
            let bytes = parse_size(text)?;
            (min..=max).contains(&bytes).then_some(Value::Integer(bytes))
        }
        Kind::Text => Some(Value::Text(text.to_owned())),
        Kind::Word(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::List(items.map(str::to_owned).collect()))
        }
        Kind::Urls => urls(text.split(',')),
        Kind::Address { off: true } if text == "off" => Some(Value::Address(None)),
        Kind::Address { .. } => Address::parse(text).map(|address| Value::Address(Some(address))),
        Kind::Ratio => {
            let ratio: f64 = text.parse().ok()?;
            (0.0..=1.0).contains(&ratio).then_some(Value::Ratio(ratio))
        }
        Kind::Pauses => pauses(text).map(Value::Pauses),
        Kind::Schedules => schedules(text.split(',')),
    }
}

/// Reads a whole number of digits only: no sign, no blanks.
fn parse_digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Splits `"30s"` into its number and its unit.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Reads base URLs; `None` when one of them is none.
fn urls<'t>(items: impl Iterator<Item = &'t str>) -> Option<Value> {
    let items: Vec<String> =
        items.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect();
    let is_url = |item: &String| {
        let uri: Option<http::Uri> = item.parse().ok();
        uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        })
    };
    items.iter().all(is_url).then_some(Value::List(items))
}

/// Reads pauses such as `15s/30s/3m`.
fn pauses(text: &str) -> Option<Vec<Duration>> {
    let pause = |text: &str| parse_duration(text.trim()).filter(|pause| !pause.is_zero());
    let pauses: Vec<_> = text.split('/').map(pause).collect::<Option<_>>()?;
    (pauses.len() <= PAUSES_MAX).then_some(pauses)
}

/// Reads pauses by name, such as `orders=15s/30s`.
fn schedules<'t>(items: impl Iterator<Item = &'t str>) -> Option<Value> {
    let items = items.map(str::trim).filter(|item| !item.is_empty());
    let schedule = |item: &str| {
        let (name, text) = item.split_once('=')?;
        let name = name.trim();
        if name.is_empty() { None } else { Some((name.to_owned(), pauses(text)?)) }
    };
    items.map(schedule).collect::<Option<_>>().map(Value::Schedules)
}

/// Reads a duration: whole numbers of `ms`, `s`, `m`, `h` or `d`. The unit is never guessed.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(unit_ms)?);
    (duration <= DURATION_MAX).then_some(duration)
}

/// The units of sizes, the largest first.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A size as [`parse_size`] reads it, in the largest unit that leaves no rest.
pub(super) fn size_text(bytes: u64) -> String {
    let fits = SIZE_UNITS.iter().find(|(_, unit_bytes)| bytes.is_multiple_of(*unit_bytes));
    fits.map_or_else(String::new, |(unit, unit_bytes)| format!("{}{unit}", bytes / unit_bytes))
}

/// Reads a size in bytes: whole numbers of `B`, `KiB`, `MiB` or `GiB`, at least one byte.
fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let (_, unit_bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*unit_bytes).filter(|&bytes| bytes > 0 && bytes <= i64::MAX as u64)
}

/// A Rust type that a field of a part can have.
pub(super) trait FromValue: Sized {
    /// The value, when it is of this type.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($ty:ty: $pattern:pat => $result:expr;)*) => {
        $( impl FromValue for $ty {
            fn from_value(value: &Value) -> Option<Self> {
                match value { $pattern => $result, _ => None }
            }
        } )*
    };
}

from_value! {
    bool: Value::Bool(value) => Some(*value);
    u64: Value::Integer(value) => Some(*value);
    u16: Value::Integer(value) => Self::try_from(*value).ok();
    u32: Value::Integer(value) => Self::try_from(*value).ok();
    usize: Value::Integer(value) => Self::try_from(*value).ok();
    Duration: Value::Duration(value) => Some(*value);
    String: Value::Text(value) => Some(value.clone());
    Vec<String>: Value::List(value) => Some(value.clone());
    Address: Value::Address(Some(value)) => Some(value.clone());
    Option<Address>: Value::Address(value) => Some(value.clone());
    f64: Value::Ratio(value) => Some(*value);
    Vec<Duration>: Value::Pauses(value) => Some(value.clone());
    BTreeMap<String, Vec<Duration>>: Value::Schedules(value) => Some(value.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind, text: &str) -> Option<Value> {
        parse(kind, &Raw::Text(text.into()))
    }

    #[test]
    fn durations_carry_their_unit() {
        let ms = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(ms("30s"), Some(30_000));
        assert_eq!(ms("250ms"), Some(250));
        assert_eq!(ms("5m"), Some(300_000));
        assert_eq!(ms("1 h"), Some(3_600_000));
        assert_eq!(ms("7d"), Some(604_800_000));
        assert_eq!(ms("0s"), Some(0));
        for bad in
            ["", "30", "s", "-1s", "+1s", "1.5s", "1S", "1min", "1s2", "3651d", "99999999999999999999s"]
        {
            assert_eq!(ms(bad), None, "{bad:?}");
        }
        assert_eq!(text(Kind::Duration { zero: false }, "0ms"), None);
    }

    #[test]
    fn sizes_carry_their_unit() {
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("1 KiB"), Some(1024));
        assert_eq!(parse_size("7B"), Some(7));
        for bad in ["64", "64MB", "0B", "-1B", "1kib", "99999999999GiB"] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
        let within = Kind::SizeWithin { min: 8 << 20, max: 1 << 30 };
        assert_eq!(text(within, "8MiB"), Some(Value::Integer(8 << 20)));
        assert_eq!(text(within, "1GiB"), Some(Value::Integer(1 << 30)));
        for outside in ["8388607B", "1025MiB", "8"] {
            assert_eq!(text(within, outside), None, "{outside:?}");
        }
        assert_eq!(within.expected(), "a size with its unit, from 8MiB to 1GiB");
        for same in ["1B", "1025B", "3KiB", "64MiB", "1024GiB"] {
            assert_eq!(parse_size(same).map(size_text).as_deref(), Some(same));
        }
    }

    #[test]
    fn addresses() {
        let read = |text| Address::parse(text).map(|address| address.to_string());
        for same in ["127.0.0.1:8761", "localhost:0", "[::1]:80", "node-1.example.org:65535"] {
            assert_eq!(read(same).as_deref(), Some(same));
        }
        for bad in [
            "",
            "8761",
            ":8761",
            "host",
            "host:",
            "host:+1",
            "host:65536",
            "::1:80",
            "[::1]",
            "a b:1",
            "[x]:1",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        let loopback = |text: &str| Address::parse(text).unwrap().is_loopback();
        assert!(loopback("127.9.9.9:1") && loopback("[::1]:1") && loopback("LocalHost:1"));
        assert!(loopback("[::ffff:127.0.0.1]:1"));
        assert!(
            !loopback("0.0.0.0:1")
                && !loopback("[::]:1")
                && !loopback("10.0.0.1:1")
                && !loopback("example.org:1")
        );
    }

    #[test]
    fn schedules_are_pauses_by_name() {
        let pauses = |seconds: &[u64]| seconds.iter().map(|s| Duration::from_secs(*s)).collect::<Vec<_>>();
        assert_eq!(text(Kind::Pauses, "15s/3m / 1h"), Some(Value::Pauses(pauses(&[15, 180, 3_600]))));
        for bad in ["", "15", "15s/", "0s", "15s,3m", &vec!["1s"; PAUSES_MAX + 1].join("/")] {
            assert_eq!(text(Kind::Pauses, bad), None, "{bad:?}");
        }
        let both = BTreeMap::from([("a".to_owned(), pauses(&[1, 2])), ("b".to_owned(), pauses(&[60]))]);
        assert_eq!(text(Kind::Schedules, "a=1s/2s, b = 1m,"), Some(Value::Schedules(both)));
        assert_eq!(text(Kind::Schedules, ""), Some(Value::Schedules(BTreeMap::new())));
        for bad in ["a", "=1s", "a=", "a=1s/x"] {
            assert_eq!(text(Kind::Schedules, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_other_kinds() {
        assert_eq!(text(Kind::Bool, "true"), Some(Value::Bool(true)));
        assert_eq!(text(Kind::Bool, "yes"), None);
        assert_eq!(text(Kind::Integer { min: 1, max: 9 }, "9"), Some(Value::Integer(9)));
        assert_eq!(text(Kind::Integer { min: 1, max: 9 }, "10"), None);
        assert_eq!(text(Kind::Integer { min: 1, max: 9 }, "+5"), None);
        assert_eq!(text(Kind::Ratio, "0.85"), Some(Value::Ratio(0.85)));
        assert_eq!(text(Kind::Ratio, "1.01"), None);
        assert_eq!(text(Kind::Ratio, "NaN"), None);
        let url = "http://user:pass@[::1]:8761/eureka/";
        assert_eq!(text(Kind::Urls, &format!(" {url},")), Some(Value::List(vec![url.into()])));
        for wrong in ["peer-2:8761", "ftp://peer-2/", "http://", "http://a/,nonsense"] {
            assert_eq!(text(Kind::Urls, wrong), None, "{wrong}");
        }
        assert_eq!(text(Kind::List, " a, b ,,"), Some(Value::List(vec!["a".into(), "b".into()])));
        assert_eq!(text(Kind::Address { off: true }, "off"), Some(Value::Address(None)));
        assert_eq!(text(Kind::Address { off: false }, "off"), None);
        assert_eq!(text(Kind::Word(&["text", "json"]), "xml"), None);
        assert_eq!(parse(Kind::Text, &Raw::Array(vec![])), None);
    }
}
