//! Who may be called.

use std::net::IpAddr;

/// The destinations of `call.allow`.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    rules: Box<[Rule]>,
    /// Whether one of the rules is about addresses, so that names have to be looked up.
    has_networks: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// This host, at this port or at any.
    Host(Box<str>, Option<u16>),
    /// Hosts below this domain; begins with a dot.
    Below(Box<str>),
    /// Addresses whose first bits are these.
    Network(IpAddr, u8),
}

/// An entry of `call.allow` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "bad value \"{0}\" in \"call.allow\": expected a host, \"host:port\", \"*.example.org\" or a network such as \
     \"10.0.0.0/8\""
)]
pub struct BadDestination(pub String);

/// What the rules say about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may be called.
    Yes,
    /// It may not.
    No,
    /// It may if its addresses are in an allowed network.
    ByAddress,
}

impl Allow {
    /// Reads the entries.
    ///
    /// # Errors
    /// The first one that is none.
    pub fn parse(entries: &[String]) -> Result<Self, BadDestination> {
        let read = |entry: &String| Rule::parse(entry).ok_or_else(|| BadDestination(entry.clone()));
        let rules: Box<[Rule]> = entries.iter().map(read).collect::<Result<_, _>>()?;
        let has_networks = rules.iter().any(|rule| matches!(rule, Rule::Network(..)));
        Ok(Self { rules, has_networks })
    }

    /// Whether everybody may be called.
    pub fn is_open(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether this host (an IPv6 address without brackets) may be called at this port.
    pub(super) fn admits(&self, host: &str, port: u16) -> Admission {
        if self.is_open() {
            return Admission::Yes;
        }
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let host = host.strip_suffix('.').unwrap_or(host);
        let fits = |rule: &Rule| match rule {
            Rule::Host(name, number) => {
                number.is_none_or(|number| number == port)
                    && match (address, name.parse::<IpAddr>()) {
                        (Some(address), Ok(other)) => address == other.to_canonical(),
                        _ => name.eq_ignore_ascii_case(host),
                    }
            }
            Rule::Below(suffix) => {
                // Some part of a name, not a name that is all suffix; both are compared as bytes, a host may hold any.
                let (host, suffix) = (host.as_bytes(), suffix.as_bytes());
                address.is_none()
                    && host.len() > suffix.len()
                    && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            Rule::Network(..) => address.is_some_and(|address| rule.holds(address)),
        };
        if self.rules.iter().any(fits) {
            Admission::Yes
        } else if address.is_none() && self.has_networks {
            Admission::ByAddress
        } else {
            Admission::No
        }
    }

    /// Whether an allowed network holds this address.
    pub(super) fn admits_address(&self, address: IpAddr) -> bool {
        self.rules.iter().any(|rule| rule.holds(address.to_canonical()))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if let Some(suffix) = entry.strip_prefix('*') {
            let below = suffix.strip_prefix('.').is_some_and(is_name);
            return below.then(|| Self::Below(suffix.into()));
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse().ok().filter(|bits| *bits <= most && !entry.contains('+'))?;
            return Some(Self::Network(address, bits));
        }
        if entry.parse::<IpAddr>().is_ok() {
            return Some(Self::Host(entry.into(), None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, Some(port.parse().ok()?))
            }
            Some(_) => (entry, None),
            None => (entry, None),
        };
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match inner {
            Some(inner) => inner.parse::<IpAddr>().is_ok().then(|| Self::Host(inner.into(), port)),
            None => is_name(host).then(|| Self::Host(host.into(), port)),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        match self {
            Self::Network(IpAddr::V4(network), bits) => match address {
                IpAddr::V4(address) => {
                    let rest = 32 - u32::from(*bits);
                    (network.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
                }
                IpAddr::V6(_) => false,
            },
            Self::Network(IpAddr::V6(network), bits) => match address {
                IpAddr::V6(address) => {
                    let rest = 128 - u32::from(*bits);
                    (network.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
                }
                IpAddr::V4(_) => false,
            },
            Self::Host(..) | Self::Below(_) => false,
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(entries: &[&str]) -> Allow {
        Allow::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn nothing_written_allows_everything() {
        assert_eq!(allow(&[]).admits("anywhere.example", 1), Admission::Yes);
    }

    #[test]
    fn hosts_ports_suffixes_and_networks() {
        use Admission::{ByAddress, No, Yes};
        let rules =
            allow(&["pay.example", "a.example:81", "*.svc.local", "10.1.0.0/16", "[fd00::1]:80", "::2"]);
        for (host, port, admission) in [
            ("pay.example", 1, Yes),
            ("PAY.example.", 443, Yes),
            ("xpay.example", 1, ByAddress),
            ("a.example", 81, Yes),
            ("a.example", 80, ByAddress),
            ("x.svc.local", 5, Yes),
            ("x.y.SVC.local", 5, Yes),
            ("svc.local", 5, ByAddress),
            (".svc.local", 5, ByAddress),
            ("10.1.255.255", 9, Yes),
            ("::ffff:10.1.0.1", 9, Yes),
            ("10.2.0.0", 9, No),
            ("fd00::1", 80, Yes),
            ("fd00:0::1", 80, Yes),
            ("fd00::1", 81, No),
            ("::2", 81, Yes),
        ] {
            assert_eq!(rules.admits(host, port), admission, "{host}:{port}");
        }
        assert!(rules.admits_address("10.1.2.3".parse().unwrap()));
        assert!(!rules.admits_address("10.2.2.3".parse().unwrap()));
        assert_eq!(allow(&["pay.example"]).admits("other.example", 1), No);
    }

    #[test]
    fn networks_of_every_size() {
        let all = allow(&["0.0.0.0/0"]);
        assert!(all.admits_address("255.1.2.3".parse().unwrap()));
        assert!(!all.admits_address("::1".parse().unwrap()));
        let one = allow(&["10.0.0.1/32", "::/0"]);
        assert!(one.admits_address("10.0.0.1".parse().unwrap()));
        assert!(!one.admits_address("10.0.0.2".parse().unwrap()));
        assert!(one.admits_address("fe80::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_destination_is_named() {
        for bad in [
            "*",
            "*x",
            "*.",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/+8",
            "a b",
            "a:99999",
            "http://a",
            "a/b",
            "[x]",
        ] {
            assert_eq!(Allow::parse(&[bad.to_owned()]).unwrap_err(), BadDestination(bad.into()), "{bad}");
        }
    }
}
