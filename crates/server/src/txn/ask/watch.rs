//! Changes as they happen. Nothing is kept of the past: who comes, and who was too slow, is told to read the lists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_base::xid::Xid;
use synod_core::txn::Mode;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::{Desk, Found, No, Row, Stand};
use crate::node::Node;
use crate::txn::Change;

/// Changes of this long are told together, and of one transaction only the last.
const GATHER: Duration = Duration::from_millis(50);
/// As many at once.
const BURST_MAX: usize = 500;

/// What is told.
#[derive(Clone, Debug)]
pub enum News {
    /// Read the lists: what happened before is not told, or some of it was missed.
    Reset,
    /// These stand like this now.
    Changed(Vec<Row>),
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Watch {
    node: Arc<Node>,
    changes: Receiver<Change>,
    only: Option<Xid>,
    mode: Option<Mode>,
    reset: bool,
}

impl Watch {
    /// Listens from now on: to all, or to one transaction, or to one mode.
    ///
    /// # Errors
    /// There is nothing to listen to, or no such transaction.
    pub fn new(node: &Arc<Node>, only: Option<&str>, mode: Option<Mode>) -> Result<Self, No> {
        let desk = Desk::of(node)?;
        let changes = desk.coordinator().changes();
        let only = only.map(|id| desk.find(id)).transpose()?.map(|found| found.xid());
        Ok(Self { node: Arc::clone(node), changes, only, mode, reset: true })
    }

    /// The next news; none when the node stops.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            if std::mem::take(&mut self.reset) {
                return Some(News::Reset);
            }
            let mut stopping = self.node.stopping.clone();
            let first = tokio::select! {
                first = self.changes.recv() => first,
                () = stopping.given() => return None,
            };
            match first {
                Ok(change) => {
                    let rows = self.rows(change).await;
                    if !self.reset && !rows.is_empty() {
                        return Some(News::Changed(rows));
                    }
                }
                Err(RecvError::Lagged(_)) => self.skip(),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn skip(&mut self) {
        self.changes = self.changes.resubscribe();
        self.reset = true;
    }

    async fn rows(&mut self, first: Change) -> Vec<Row> {
        tokio::time::sleep(GATHER).await;
        let mut changed = BTreeMap::from([(first.xid, first.status)]);
        while changed.len() < BURST_MAX {
            match self.changes.try_recv() {
                Ok(change) => drop(changed.insert(change.xid, change.status)),
                Err(TryRecvError::Lagged(_)) => {
                    self.skip();
                    return Vec::new();
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let Ok(desk) = Desk::of(&self.node) else { return Vec::new() };
        let wanted = changed.into_keys().filter(|xid| self.only.is_none_or(|only| only == *xid));
        let wanted: Vec<Xid> = wanted.collect();
        let troubled = desk.coordinator.troubled_among(wanted.clone()).await;
        let rows = wanted.into_iter().filter_map(|xid| desk.row(xid, troubled.contains(&xid)));
        rows.filter(|row| self.mode.is_none_or(|mode| row.stand.mode == Some(mode))).collect()
    }
}

impl Desk<'_> {
    fn row(&self, xid: Xid, troubled: bool) -> Option<Row> {
        let found = match self.coordinator.find(xid) {
            crate::txn::Known::Open(txn) => Found::Open(txn),
            crate::txn::Known::Ended(xid, end, detail) => Found::Ended(xid, end, detail),
            crate::txn::Known::Forgotten | crate::txn::Known::Unknown => return None,
        };
        Some(match found.txn() {
            Some(txn) => Row::new(txn, troubled && matches!(found, Found::Open(_))),
            None => {
                let stand = Stand { result: bytes::Bytes::new(), ..found.stand() };
                Row { stand, branches: 0, pending: 0, attention: false, troubles: Vec::new() }
            }
        })
    }
}
