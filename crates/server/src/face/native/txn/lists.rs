//! Lists of transactions, those that need attention, counts.

#![expect(unused_qualifications, reason = "utoipa's macro writes `Self`-qualified paths for local types")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use synod_base::xid::Xid;
use synod_core::txn::mode::Errand;
use synod_core::txn::{End, Mode, Status};
use utoipa::{IntoParams, ToSchema};

use super::extract::Query;
use super::failed::{Failed, TransactionProblem};
use super::look::way_name;
use super::read;
use crate::node::Node;
use crate::txn::ask::{Desk, Filter, Row, Trouble, page_rows};

/// Every status there is.
const STATUSES: [Status; 7] = [
    Status::Active,
    Status::Committing,
    Status::RollingBack,
    Status::GivenUp,
    Status::Ended(End::Committed),
    Status::Ended(End::RolledBack),
    Status::Ended(End::Stopped),
];

/// Which transactions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only this status; `open` for all that have not ended, `ended` for all that have.
    status: Option<String>,
    /// Only this mode.
    mode: Option<String>,
    /// Only those that people call this.
    name: Option<String>,
    /// Only those whose initiators' own ids begin like this.
    gid_prefix: Option<String>,
    /// `attention`: only those that somebody should look at.
    needs: Option<String>,
    /// The `next` of the page before.
    before: Option<String>,
    /// Transactions at most: 50 unless said, at most 500.
    limit: Option<usize>,
}

/// A page of transactions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageDto {
    /// Those begun last first. They may be fewer than asked for, or none, although there are more: see `next`.
    transactions: Vec<RowDto>,
    /// The `before` of the next page, null on the last.
    next: Option<String>,
}

/// A transaction in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowDto {
    /// Its id.
    xid: String,
    /// Its initiator's own id.
    gid: Option<String>,
    /// Its mode; null when its details are gone.
    mode: Option<&'static str>,
    /// What people call it.
    name: String,
    /// How it stands.
    status: &'static str,
    /// Whether nothing more will be done.
    ended: bool,
    /// Why it was rolled back, stopped or given up.
    reason: String,
    /// When it was begun.
    begun_ms: Option<u64>,
    /// When anything happened to it last.
    touched_ms: Option<u64>,
    /// Branches.
    branches: usize,
    /// Those that have still to be called in the present direction.
    pending: usize,
    /// Whether somebody should look at it.
    attention: bool,
    /// The calls that fail; only where attention is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    troubles: Vec<TroubleDto>,
}

/// A call that fails.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TroubleDto {
    /// The branch's place, from 0 on; null for the initiator.
    branch: Option<u16>,
    /// `forward` or `backward`; null for the initiator.
    way: Option<&'static str>,
    /// Failed attempts in a row.
    failures: u32,
    /// What the last one came to.
    last_error: String,
    /// When it is tried again.
    next_attempt_ms: u64,
}

impl RowDto {
    pub(super) fn new(desk: &Desk<'_>, row: Row) -> Self {
        let Row { stand, branches, pending, attention, troubles } = row;
        Self {
            xid: desk.text(stand.xid),
            gid: stand.gid.as_deref().map(str::to_owned),
            mode: stand.mode.map(Mode::as_str),
            status: stand.status.as_str(),
            ended: stand.is_ended(),
            name: stand.name.into(),
            reason: stand.reason.into(),
            begun_ms: stand.begun_ms,
            touched_ms: stand.touched_ms,
            branches,
            pending,
            attention,
            troubles: troubles.into_iter().map(TroubleDto::from).collect(),
        }
    }
}

impl From<Trouble> for TroubleDto {
    fn from(trouble: Trouble) -> Self {
        let (branch, way) = match trouble.errand {
            Errand::BackCheck => (None, None),
            Errand::Leg(branch, way) => (Some(branch), Some(way_name(way))),
        };
        Self {
            branch,
            way,
            failures: trouble.failures,
            last_error: trouble.error.into(),
            next_attempt_ms: trouble.next_ms,
        }
    }
}

impl ListQuery {
    pub(super) fn filter(self) -> Result<Filter, Failed> {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut filter = Filter {
            mode: said(self.mode).map(|name| read::mode(&name)).transpose().map_err(Failed::parameter)?,
            name: said(self.name),
            gid_prefix: said(self.gid_prefix),
            limit: page_rows(self.limit),
            ..Filter::default()
        };
        match said(self.status).as_deref() {
            None => {}
            Some("open") => filter.ended = Some(false),
            Some("ended") => filter.ended = Some(true),
            Some(name) => filter.status = Some(status(name)?),
        }
        filter.attention = match said(self.needs).as_deref() {
            None => false,
            Some("attention") => true,
            Some(other) => return Err(Failed::parameter(format!("needs: {other:?} is not \"attention\""))),
        };
        filter.before = said(self.before)
            .map(|text| {
                Xid::parse(&text).ok_or_else(|| Failed::parameter("before: the next of another page"))
            })
            .transpose()?;
        Ok(filter)
    }
}

fn status(name: &str) -> Result<Status, Failed> {
    STATUSES.into_iter().find(|status| status.as_str() == name).ok_or_else(|| {
        let known = STATUSES.map(Status::as_str).join(", ");
        Failed::parameter(format!("status: {name:?} is none of open, ended, {known}"))
    })
}

pub(super) async fn page(node: &Node, filter: &Filter) -> Result<Json<PageDto>, Failed> {
    let desk = Desk::of(node)?;
    let page = desk.list(filter).await;
    let transactions = page.rows.into_iter().map(|row| RowDto::new(&desk, row)).collect();
    Ok(Json(PageDto { transactions, next: page.next.map(|xid| desk.text(xid)) }))
}

/// Transactions, open and ended ones, those begun last first.
#[utoipa::path(get, path = "/v1/transactions", params(ListQuery), responses((status = 200, body = PageDto), (status = 400, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<PageDto>, Failed> {
    page(&node, &query.filter()?).await
}

/// Which of those that need attention.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AttentionQuery {
    /// The `next` of the page before.
    before: Option<String>,
    /// Transactions at most: 50 unless said, at most 500.
    limit: Option<usize>,
}

/// Transactions that somebody should look at: a call of them has failed often, or they were given up.
#[utoipa::path(get, path = "/v1/transactions/attention", params(AttentionQuery), responses((status = 200, body = PageDto), (status = 400, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn attention(
    State(node): State<Arc<Node>>,
    Query(AttentionQuery { before, limit }): Query<AttentionQuery>,
) -> Result<Json<PageDto>, Failed> {
    let filter = ListQuery { before, limit, ..ListQuery::default() }.filter()?;
    page(&node, &Filter { attention: true, ..filter }).await
}

/// How many transactions there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SummaryDto {
    /// Those that have not ended.
    open: u64,
    /// Those of them that somebody should look at.
    attention: u64,
    /// By mode.
    modes: Vec<ModeDto>,
}

/// How many of one mode there are, by status. Of the last three those whose details are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModeDto {
    mode: &'static str,
    active: u64,
    committing: u64,
    rolling_back: u64,
    given_up: u64,
    committed: u64,
    rolled_back: u64,
    stopped: u64,
}

/// How many transactions there are, by mode and status. They are counted one by one: ask seldom.
#[utoipa::path(get, path = "/v1/transactions/summary", responses((status = 200, body = SummaryDto), (status = 503, body = TransactionProblem)))]
pub(super) async fn summary(State(node): State<Arc<Node>>) -> Result<Json<SummaryDto>, Failed> {
    let counts = Desk::of(&node)?.count().await;
    let mode = |((mode, open), ended): ((Mode, &[u64; 4]), &[u64; 3])| {
        let ([active, committing, rolling_back, given_up], [committed, rolled_back, stopped]) =
            (*open, *ended);
        let mode = mode.as_str();
        ModeDto { mode, active, committing, rolling_back, given_up, committed, rolled_back, stopped }
    };
    Ok(Json(SummaryDto {
        open: counts.open.iter().flatten().sum(),
        attention: counts.troubled,
        modes: Mode::ALL.into_iter().zip(&counts.open).zip(&counts.ended).map(mode).collect(),
    }))
}
