//! Rows that transactions hold.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use synod_base::xid::Xid;
use synod_core::txn::lock::HeldRow;
use synod_core::txn::{Branch, Txn};

use super::answer::{Failed, Page, Single};
use super::ask::{Parameters, Window, each};
use crate::call::seata::Initiator;
use crate::node::Node;
use crate::txn::ask::Desk;

const NO_DELETE: &str = "locks follow from transactions: they go when the transaction is decided to commit or its branch was rolled \
                         back. Roll the transaction back, or delete it by force";
/// Between the parts of a row's name (`AbstractLockManager`).
const SEPARATOR: &str = "^^^";

/// A row (`console/entity/vo/GlobalLockVO`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockDto {
    xid: String,
    transaction_id: String,
    branch_id: String,
    resource_id: String,
    table_name: String,
    pk: String,
    row_key: String,
    vgroup: String,
    gmt_create: u64,
    gmt_modified: u64,
}

/// Which.
#[derive(Debug)]
struct Wanted<'a> {
    transaction: Option<u64>,
    branch: Option<&'a str>,
    resource: Option<&'a str>,
    table: Option<&'a str>,
    key: Option<&'a str>,
    xid: Option<&'a str>,
    begun_from_ms: Option<u64>,
    begun_to_ms: Option<u64>,
}

impl Wanted<'_> {
    fn matches_txn(&self, txn: &Txn, xid: impl FnOnce() -> String) -> bool {
        self.transaction.is_none_or(|number| number == txn.xid.number())
            && self.begun_from_ms.is_none_or(|ms| ms <= txn.begun_ms)
            && self.begun_to_ms.is_none_or(|ms| txn.begun_ms <= ms)
            && self.xid.is_none_or(|part| xid().contains(part))
    }

    fn matches(&self, branch: &Branch, row: &HeldRow<&str>) -> bool {
        self.branch.is_none_or(|id| *branch.id == *id)
            && self.resource.is_none_or(|part| row.resource.contains(part))
            && self.table.is_none_or(|part| row.table.contains(part))
            && self.key.is_none_or(|key| row.key == key)
    }
}

/// A page of them.
pub(super) async fn query(
    State(node): State<Arc<Node>>,
    parameters: Parameters,
) -> Result<Json<Page<LockDto>>, Failed> {
    let (desk, page) = (Desk::of(&node)?, parameters.page()?);
    let only = parameters.text("xid").and_then(Xid::parse);
    let wanted = Wanted {
        // What is no number is passed over, as there.
        transaction: parameters.number("transactionId").unwrap_or_default(),
        branch: parameters.text("branchId"),
        resource: parameters.text("resourceId"),
        table: parameters.text("tableName"),
        key: parameters.text("pk"),
        xid: parameters.text("xid").filter(|_| only.is_none()),
        begun_from_ms: parameters.number("timeStart")?,
        begun_to_ms: parameters.number("timeEnd")?,
    };
    let only = only.or_else(|| wanted.transaction.and_then(Xid::from_number));
    let mut window = Window::new(page);
    each(&desk, only, |txn| {
        if !wanted.matches_txn(txn, || desk.text(txn.xid)) {
            return;
        }
        for (number, row) in txn.held_rows() {
            let branch = &txn.branches[usize::from(number)];
            if wanted.matches(branch, &row) {
                window.see(|| LockDto::new(&desk, txn, branch, &row));
            }
        }
    })
    .await;
    Ok(Page::new(window.rows, window.seen, page.0, page.1))
}

impl LockDto {
    fn new(desk: &Desk<'_>, txn: &Txn, branch: &Branch, row: &HeldRow<&str>) -> Self {
        let HeldRow { resource, table, key } = *row;
        Self {
            xid: desk.text(txn.xid),
            transaction_id: txn.xid.to_string(),
            branch_id: branch.id.to_string(),
            resource_id: resource.to_owned(),
            table_name: table.to_owned(),
            pk: key.to_owned(),
            row_key: [resource, table, key].join(SEPARATOR),
            vgroup: Initiator::of(txn).group.to_owned(),
            gmt_create: branch.joined_ms,
            gmt_modified: branch.joined_ms,
        }
    }
}

/// Whether a branch is there that could hold a row: what is asked before a lock is deleted.
pub(super) async fn check(
    State(node): State<Arc<Node>>,
    parameters: Parameters,
) -> Result<Json<Single<bool>>, Failed> {
    let desk = Desk::of(&node)?;
    let (xid, id) = (Xid::parse(parameters.xid()?), parameters.text("branchId"));
    let txn = xid.and_then(|xid| desk.coordinator().read(|state| state.open(xid).cloned()));
    let known = |txn: Arc<Txn>| txn.branches.iter().any(|branch| Some(&*branch.id) == id);
    Ok(Single::with(txn.is_some_and(known)))
}

/// Takes a row from whoever holds it: refused.
pub(super) async fn delete() -> Failed {
    Failed::new(NO_DELETE)
}
