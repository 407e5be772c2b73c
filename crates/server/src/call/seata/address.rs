//! Where a branch of a Seata client is: the URL under which the coordinator keeps it.
//!
//! `seata://<resource>/<type>/<application>/<ip:port>/<host:port of the XID>`. The resource comes first, because calls queue up by
//! what stands in a URL's place for the host, and a resource is what comes and goes. The last part is the one under which the
//! client knows the transaction: its records in the database bear the XID's whole text, so that it has to be told the same text
//! again, also after this node's address has changed.

use std::fmt;
use std::net::SocketAddr;

use synod_wire::seata::BranchType;

const SCHEME: &str = "seata://";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The resource's id.
    pub resource: Box<str>,
    /// What kind of branch it is.
    pub branch_type: BranchType,
    /// The application whose process registered the branch.
    pub application: Box<str>,
    /// That process's end of its connection, as seen from here.
    pub client: SocketAddr,
    /// `host:port` of the XID, as the client put it.
    pub xid_address: Box<str>,
}

impl Address {
    /// Reads the URL; `None` when it is none of these.
    pub fn parse(url: &str) -> Option<Self> {
        let mut parts = url.strip_prefix(SCHEME)?.split('/');
        let mut part = || decoded(parts.next()?);
        let (resource, branch_type, application) = (part()?, part()?, part()?);
        let (client, xid_address) = (part()?.parse().ok()?, part()?);
        let branch_type = BranchType::ALL.iter().copied().find(|known| known.name() == branch_type)?;
        let whole = parts.next().is_none();
        let (resource, application) = (resource.into(), application.into());
        let xid_address = xid_address.into();
        whole.then_some(Self { resource, branch_type, application, client, xid_address })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, branch_type, application, client, xid_address } = self;
        let (resource, application) = (Encoded(resource), Encoded(application));
        let (branch_type, xid_address) = (branch_type.name(), Encoded(xid_address));
        write!(f, "{SCHEME}{resource}/{branch_type}/{application}/{client}/{xid_address}")
    }
}

/// The part of the URL by which calls to a resource queue up.
pub fn destination(resource: &str) -> String {
    Encoded(resource).to_string()
}

/// A text without anything that would separate parts of a URL.
struct Encoded<'a>(&'a str);

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:,=".contains(&byte)
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
            // What is not plain may be a part of a character, which begins here: those before it are plain.
            let character = rest[at..].chars().next().map_or(1, char::len_utf8);
            f.write_str(&rest[..at])?;
            for byte in rest[at..at + character].bytes() {
                write!(f, "%{byte:02X}")?;
            }
            rest = &rest[at + character..];
        }
        f.write_str(rest)
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push((digit(0)? * 16 + digit(1)?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(resource: &str, application: &str, client: &str) -> Address {
        Address {
            resource: resource.into(),
            branch_type: BranchType::Tcc,
            application: application.into(),
            client: client.parse().unwrap(),
            xid_address: "10.0.0.1:8091".into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (resource, application, client, url) in [
            ("pay", "app", "10.0.0.7:50123", "seata://pay/TCC/app/10.0.0.7:50123/10.0.0.1:8091"),
            (
                "jdbc:mysql://db:3306/a?b",
                "x y",
                "[::1]:1",
                "seata://jdbc:mysql:%2F%2Fdb:3306%2Fa%3Fb/TCC/x%20y/[::1]:1/10.0.0.1:8091",
            ),
            ("", "", "0.0.0.0:0", "seata:///TCC//0.0.0.0:0/10.0.0.1:8091"),
            (
                "über/%2F",
                "漢",
                "1.2.3.4:5",
                "seata://%C3%BCber%2F%252F/TCC/%E6%BC%A2/1.2.3.4:5/10.0.0.1:8091",
            ),
        ] {
            let address = address(resource, application, client);
            assert_eq!(address.to_string(), url);
            assert_eq!(Address::parse(url), Some(address.clone()));
            assert!(url.starts_with(&format!("{SCHEME}{}/", destination(resource))), "{url}");
        }
        for branch_type in BranchType::ALL {
            let address = Address { branch_type: *branch_type, ..address("r", "a", "1.2.3.4:5") };
            assert_eq!(Address::parse(&address.to_string()), Some(address));
        }
    }

    #[test]
    fn what_is_none_is_told() {
        for text in [
            "",
            "http://a/TCC/b/1.2.3.4:5/h:1",
            "seata://r",
            "seata://r/TCC/a/1.2.3.4:5",
            "seata://r/TCC/a/1.2.3.4:5/h:1/more",
            "seata://r/NONE/a/1.2.3.4:5/h:1",
            "seata://r/TCC/a/host:5/h:1",
            "seata://r%/TCC/a/1.2.3.4:5/h:1",
            "seata://r%2/TCC/a/1.2.3.4:5/h:1",
            "seata://r%zz/TCC/a/1.2.3.4:5/h:1",
            "seata://r%ff/TCC/a/1.2.3.4:5/h:1",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
