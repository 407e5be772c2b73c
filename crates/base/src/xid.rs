//! The id of a global transaction, one number inside and `host:port:number` outside.

use std::fmt;

/// Names a global transaction: 15 bits of transaction group, 48 bits of sequence. Positive as an `i64`, never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid(u64);

const SEQUENCE_BITS: u32 = 48;
/// The greatest sequence number.
pub const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;
/// The greatest transaction group.
pub const GROUP_MAX: u16 = (1 << 15) - 1;

impl Xid {
    /// The id number `sequence` of `group`; `None` when one of them is out of range or the id would be 0.
    pub fn new(group: u16, sequence: u64) -> Option<Self> {
        if group > GROUP_MAX || sequence > SEQUENCE_MAX {
            return None;
        }
        Self::from_number(u64::from(group) << SEQUENCE_BITS | sequence)
    }

    /// The id that is this number; `None` for 0 and for what is negative as an `i64`.
    pub fn from_number(number: u64) -> Option<Self> {
        (number != 0 && number >> 63 == 0).then_some(Self(number))
    }

    /// The least there is.
    pub const FIRST: Self = Self(1);

    /// The greatest there is. Ids are given out from below: nobody has it.
    pub const LAST: Self = Self(u64::MAX >> 1);

    /// The id as one number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The transaction group.
    pub const fn group(self) -> u16 {
        (self.0 >> SEQUENCE_BITS) as u16
    }

    /// The sequence number within the group.
    pub const fn sequence(self) -> u64 {
        self.0 & SEQUENCE_MAX
    }

    /// The text that Seata's clients expect, with the `host:port` by which they know the server.
    pub fn text(self, address: &str) -> String {
        format!("{address}:{}", self.0)
    }

    /// Reads `host:port:number`, with any host and port: a transaction survives a change of address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, number) = text.rsplit_once(':')?;
        let (host, port) = address.rsplit_once(':')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if host.is_empty() || port.parse::<u16>().is_err() || !digits(port) || !digits(number) {
            return None;
        }
        Self::from_number(number.parse().ok()?)
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xid({}/{})", self.group(), self.sequence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_group_and_a_sequence() {
        let xid = Xid::new(GROUP_MAX, SEQUENCE_MAX).unwrap();
        assert_eq!((xid.group(), xid.sequence()), (GROUP_MAX, SEQUENCE_MAX));
        assert!(i64::try_from(xid.number()).is_ok());
        assert_eq!(Xid::new(0, 0), None);
        assert_eq!(Xid::new(GROUP_MAX + 1, 1), None);
        assert_eq!(Xid::new(0, SEQUENCE_MAX + 1), None);
    }

    #[test]
    fn only_the_text_form_is_read() {
        let xid = Xid::new(0, 77).unwrap();
        assert_eq!(xid.text("127.0.0.1:8091"), "127.0.0.1:8091:77");
        for (text, read) in [
            ("127.0.0.1:8091:77", Some(xid)),
            ("[::1]:8091:77", Some(xid)),
            ("other.example:1:77", Some(xid)),
            ("77", None),
            (":8091:77", None),
            ("host:77", None),
            ("host:port:77", None),
            ("host:8091:", None),
            ("host:8091:0", None),
            ("host:8091:-7", None),
            ("host:+8091:7", None),
            ("host:8091:+7", None),
            ("host:8091:9223372036854775808", None),
            ("", None),
        ] {
            assert_eq!(Xid::parse(text), read, "{text}");
        }
    }
}
