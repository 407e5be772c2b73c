//! The id of a global transaction, as its coordinator writes it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest text taken for an id: what Seata's tables have room for.
const BYTES_MAX: usize = 128;

/// Names a global transaction: `host:port:number`, where host and port are the coordinator's. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid(Arc<str>);

/// A text that names no transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not the id of a transaction: host:port:number is")]
pub struct BadXid(String);

impl Xid {
    /// Reads an id.
    ///
    /// # Errors
    /// It is not of the form `host:port:number`, longer than 128 bytes, or not of visible ASCII.
    pub fn parse(text: &str) -> Result<Self, BadXid> {
        // It goes into headers: nothing but visible ASCII.
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() <= BYTES_MAX && is_visible && synod_base::xid::Xid::parse(text).is_some() {
            return Ok(Self(text.into()));
        }
        Err(BadXid(text.chars().take(BYTES_MAX).collect()))
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The coordinator's part: `host:port`.
    pub fn address(&self) -> &str {
        self.0.rsplit_once(':').map_or("", |(address, _)| address)
    }
}

impl FromStr for Xid {
    type Err = BadXid;

    fn from_str(text: &str) -> Result<Self, BadXid> {
        Self::parse(text)
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xid({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_an_address_and_a_number() {
        let xid = Xid::parse("127.0.0.1:8091:42").unwrap();
        assert_eq!((xid.address(), xid.as_str()), ("127.0.0.1:8091", "127.0.0.1:8091:42"));
        for bad in [
            "",
            "42",
            "a:42",
            "a:b:42",
            "a:1:",
            "a:1:-1",
            "a\r\n:1:2",
            "ä:1:2",
            "a b:1:2",
            &format!("{}:1:42", "a".repeat(200)),
        ] {
            assert!(Xid::parse(bad).is_err(), "{bad}");
        }
    }
}
