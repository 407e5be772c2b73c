//! A call as it arrives.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use crate::Xid;
use crate::rm::{Branch, Kind};

/// A call of Synod's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The transaction.
    pub xid: Xid,
    /// The id its initiator chose.
    pub gid: Option<String>,
    /// The branch; empty when the initiator is asked.
    pub branch: Arc<str>,
    /// What to do: `confirm`, `cancel`, `commit`, `rollback`, `action`, `compensate`, `deliver`, `notify`, `check`.
    pub op: String,
    /// All headers, also those that the transaction was begun with.
    pub headers: HeaderMap,
    /// The payload.
    pub payload: Bytes,
}

impl Asked {
    pub(super) fn read(headers: HeaderMap, payload: Bytes) -> Result<Self, String> {
        let text = |name: &str| {
            let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            value.filter(|value| !value.is_empty())
        };
        let needed = |name: &str| text(name).ok_or_else(|| format!("the header {name} is missing"));
        let xid = Xid::parse(&needed("synod-xid")?).map_err(|error| error.to_string())?;
        let (op, gid) = (needed("synod-op")?, text("synod-gid"));
        let branch = text("synod-branch").unwrap_or_default().into();
        Ok(Self { xid, gid, branch, op, headers, payload })
    }

    /// The payload as JSON.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }

    pub(super) fn into_branch(self, resource: &str, kind: Kind) -> Branch {
        Branch { xid: self.xid, id: self.branch, resource: resource.into(), kind, data: self.payload }
    }
}
