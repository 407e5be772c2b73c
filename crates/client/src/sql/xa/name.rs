//! What prepared work is called in a database, and the statements about it. None of them can be prepared or have something bound.

use thiserror::Error;

use crate::Xid;
use crate::sql::driver::Dialect;

/// Seata's, so that its tools know what they see.
const FORMAT: i64 = 9752;
/// Longest of each of the two parts, by MySQL.
const PART_BYTES_MAX: usize = 64;

/// Which way a branch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Commit,
    Rollback,
}

/// What a branch is called in its database: a global part, which is the XID as text, and the branch's, which is `-` and its id; of format 9752.
/// PostgreSQL has the three with `_` between them: `9752_10.0.0.1:8091:42_-7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    xid: Xid,
    branch: String,
}

/// Ids that no database can have as those of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} cannot be a branch's name in a database: at most 64 bytes each, of printable ASCII without quotes"
)]
pub struct BadName(String);

impl Name {
    /// The name of a branch.
    ///
    /// # Errors
    /// A part is too long, or has characters that databases do not take.
    pub fn new(xid: &Xid, branch: &str) -> Result<Self, BadName> {
        let takes = |text: &str, bytes_max| {
            let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"' | b'\\' | b'`');
            (1..=bytes_max).contains(&text.len()) && text.bytes().all(good)
        };
        if takes(xid.as_str(), PART_BYTES_MAX) && takes(branch, PART_BYTES_MAX - 1) {
            return Ok(Self { xid: xid.clone(), branch: branch.to_owned() });
        }
        Err(BadName(format!("{xid} {branch}")))
    }

    /// The transaction.
    pub fn xid(&self) -> &Xid {
        &self.xid
    }

    /// The branch's id within it.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Reads PostgreSQL's form; `None` for whatever somebody else has prepared.
    pub(super) fn parse(gid: &str) -> Option<Self> {
        let rest = gid.strip_prefix(&format!("{FORMAT}_"))?;
        let (xid, branch) = rest.rsplit_once(':').and_then(|(address, rest)| {
            let (number, branch) = rest.split_once("_-")?;
            Some((format!("{address}:{number}"), branch))
        })?;
        Self::new(&Xid::parse(&xid).ok()?, branch).ok()
    }

    /// Reads what MySQL lists.
    pub(super) fn from_parts(format: i64, global_bytes: i64, data: &[u8]) -> Option<Self> {
        let (global, branch) = data.split_at_checked(usize::try_from(global_bytes).ok()?)?;
        let (global, branch) = (str::from_utf8(global).ok()?, str::from_utf8(branch).ok()?);
        if format != FORMAT {
            return None;
        }
        Self::new(&Xid::parse(global).ok()?, branch.strip_prefix('-')?).ok()
    }

    /// Where a transaction is begun with a statement of its own.
    pub(super) fn start(&self) -> String {
        format!("XA START {}", self.parts())
    }

    /// Ends the work and prepares it.
    pub(super) fn prepare(&self, dialect: Dialect) -> String {
        match dialect {
            // A transaction in which something has failed would be rolled back without a word; the first statement finds out. The last one
            // has the connection be what the driver thinks it is: in a transaction, to be rolled back.
            Dialect::Postgres | Dialect::Sqlite => format!("select 1; PREPARE TRANSACTION '{self}'; begin"),
            Dialect::MySql => format!("XA END {0}; XA PREPARE {0}", self.parts()),
        }
    }

    /// Ends what is prepared.
    pub(super) fn end(&self, dialect: Dialect, way: Way) -> String {
        match (dialect, way) {
            (Dialect::Postgres | Dialect::Sqlite, Way::Commit) => format!("COMMIT PREPARED '{self}'"),
            (Dialect::Postgres | Dialect::Sqlite, Way::Rollback) => format!("ROLLBACK PREPARED '{self}'"),
            (Dialect::MySql, Way::Commit) => format!("XA COMMIT {}", self.parts()),
            (Dialect::MySql, Way::Rollback) => format!("XA ROLLBACK {}", self.parts()),
        }
    }

    fn parts(&self) -> String {
        format!("'{}','-{}',{FORMAT}", self.xid, self.branch)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{FORMAT}_{}_-{}", self.xid, self.branch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (xid, branch) in [("10.0.0.1:8091:42", "7"), ("a-b_-c.d:1:9", "debit_-1"), ("[::1]:8091:1", "-5")]
        {
            let name = Name::new(&Xid::parse(xid).unwrap(), branch).unwrap();
            assert_eq!(Name::parse(&name.to_string()).unwrap(), name);
            let data = format!("{xid}-{branch}");
            let parts = Name::from_parts(9752, xid.len().try_into().unwrap(), data.as_bytes());
            assert_eq!(parts.unwrap(), name);
            assert_eq!((name.xid().as_str(), name.branch()), (xid, branch));
        }
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for gid in
            ["", "x", "9752_", "9752_a:1:2", "9752_a:1:2-3", "9753_a:1:2_-3", "a:1:2_-3", "9752_a:1:x_-3"]
        {
            assert_eq!(Name::parse(gid), None, "{gid}");
        }
        assert_eq!(Name::from_parts(1, 5, b"a:1:2-3"), None);
        assert_eq!(Name::from_parts(9752, 50, b"a:1:2-3"), None);
        assert_eq!(Name::from_parts(9752, -1, b"a:1:2-3"), None);
        assert_eq!(Name::from_parts(9752, 5, b"a:1:23"), None);
        assert_eq!(Name::from_parts(9752, 5, b"\xff:1:2-3"), None);
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        let xid = |host: &str| Xid::parse(&format!("{host}:1:2")).unwrap();
        for (host, branch) in [("a'b", "1"), ("a\\", "1"), ("a", "'"), ("a", "b c"), ("a", "")] {
            assert!(Name::new(&xid(host), branch).is_err(), "{host} {branch}");
        }
        assert!(Name::new(&xid(&"a".repeat(60)), "1").is_ok());
        assert!(Name::new(&xid(&"a".repeat(61)), "1").is_err());
        assert!(Name::new(&xid("a"), &"b".repeat(64)).is_err());
    }
}
