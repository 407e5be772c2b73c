//! Parameters, as a Spring controller takes them: unknown ones are passed over, empty ones are none.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use synod_base::xid::Xid;
use synod_core::txn::{State, Txn};

use super::answer::Failed;
use crate::txn::ask::Desk;

/// Rows of a page, unless somebody says.
const PAGE: usize = 20;
/// Rows of a page at most.
const PAGE_MAX: usize = 500;
/// Transactions looked at for one answer: the newest ones.
pub(super) const LOOK_MAX: usize = 20_000;
/// Those that are taken out of the state together.
const CHUNK: usize = 2_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Parameters(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(all)| Self(all)).map_err(|wrong| Failed::new(wrong.body_text()))
    }
}

impl Parameters {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failed> {
        let read = |text: &str| {
            text.parse().map_err(|_| Failed::new(format!("{name}: {text:?} is no number of that kind")))
        };
        self.text(name).map(read).transpose()
    }

    pub(super) fn xid(&self) -> Result<&str, Failed> {
        self.text("xid").ok_or_else(|| Failed::new("xid is missing"))
    }

    /// Number, from 1 on, and length of the page.
    pub(super) fn page(&self) -> Result<(usize, usize), Failed> {
        let number = self.number::<i64>("pageNum")?.unwrap_or(1);
        let length = self.number::<i64>("pageSize")?.unwrap_or(PAGE as i64);
        match (usize::try_from(number), usize::try_from(length)) {
            (Ok(number @ 1..), Ok(length @ 1..)) => Ok((number, length.min(PAGE_MAX))),
            _ => Err(Failed::new("wrong pageSize or pageNum")),
        }
    }
}

/// Shows open transactions to `look`, the newest first, but not more than [`LOOK_MAX`]. Whoever applies does not wait for it.
pub(super) async fn each(desk: &Desk<'_>, only: Option<Xid>, mut look: impl FnMut(&Arc<Txn>)) {
    let coordinator = desk.coordinator();
    if let Some(xid) = only {
        let txn = coordinator.read(|state| state.open(xid).cloned());
        txn.iter().for_each(look);
        return;
    }
    let mut before = None;
    for _ in 0..LOOK_MAX / CHUNK {
        let take = |state: &State| state.newest(before).take(CHUNK).cloned().collect();
        let chunk: Vec<Arc<Txn>> = coordinator.read(take);
        chunk.iter().for_each(&mut look);
        let Some(last) = chunk.last().filter(|_| chunk.len() == CHUNK) else { return };
        before = Some(last.xid);
        tokio::task::yield_now().await;
    }
}

/// Rows of which only those of one page are kept, and all are counted.
#[derive(Debug)]
pub(super) struct Window<T> {
    first: usize,
    length: usize,
    pub(super) seen: usize,
    pub(super) rows: Vec<T>,
}

impl<T> Window<T> {
    pub(super) fn new((number, length): (usize, usize)) -> Self {
        Self { first: (number - 1).saturating_mul(length), length, seen: 0, rows: Vec::new() }
    }

    pub(super) fn see(&mut self, row: impl FnOnce() -> T) {
        if (self.first..self.first.saturating_add(self.length)).contains(&self.seen) {
            self.rows.push(row());
        }
        self.seen += 1;
    }
}
