//! Open global sessions. Seata's memory holds no others either.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use synod_base::xid::Xid;
use synod_core::txn::Txn;

use super::answer::{Failed, Page};
use super::ask::{Parameters, Window, each};
use super::show::SessionDto;
use crate::call::seata::{Initiator, Progress, status};
use crate::node::Node;
use crate::txn::ask::Desk;

/// Which.
#[derive(Debug, Default)]
struct Wanted<'a> {
    xid: Option<&'a str>,
    application: Option<&'a str>,
    group: Option<&'a str>,
    name: Option<&'a str>,
    status: Option<u8>,
    begun_from_ms: Option<u64>,
    begun_to_ms: Option<u64>,
}

impl<'a> Wanted<'a> {
    fn read(parameters: &'a Parameters) -> Result<Self, Failed> {
        Ok(Self {
            xid: parameters.text("xid"),
            application: parameters.text("applicationId"),
            group: parameters.text("vgroup"),
            name: parameters.text("transactionName"),
            status: parameters.number("status")?,
            begun_from_ms: parameters.number("timeStart")?,
            begun_to_ms: parameters.number("timeEnd")?,
        })
    }

    /// The same comparisons as Seata's, apart from the times, whose order it has the wrong way round in its file mode.
    fn matches(&self, txn: &Txn, xid: impl FnOnce() -> String) -> bool {
        let initiator = Initiator::of(txn);
        let may_be = |code: u8| {
            [Progress::Smooth, Progress::Pausing].iter().any(|progress| status(txn, *progress).code() == code)
        };
        self.name.is_none_or(|name| txn.name.contains(name))
            && self.status.is_none_or(may_be)
            && self.begun_from_ms.is_none_or(|ms| ms <= txn.begun_ms)
            && self.begun_to_ms.is_none_or(|ms| txn.begun_ms <= ms)
            && self.application.is_none_or(|part| initiator.application.contains(part))
            && self.group.is_none_or(|group| initiator.group == group)
            && self.xid.is_none_or(|part| xid().contains(part))
    }
}

/// A page of them.
pub(super) async fn query(
    State(node): State<Arc<Node>>,
    parameters: Parameters,
) -> Result<Json<Page<SessionDto>>, Failed> {
    let desk = Desk::of(&node)?;
    let (page, wanted) = (parameters.page()?, Wanted::read(&parameters)?);
    let with_branch = parameters.text("withBranch") == Some("true");
    let mut window = Window::new(page);
    // A whole XID is looked up; a part of one is looked for.
    let only = wanted.xid.and_then(Xid::parse);
    let wanted = Wanted { xid: wanted.xid.filter(|_| only.is_none()), ..wanted };
    each(&desk, only, |txn| {
        if wanted.matches(txn, || desk.text(txn.xid)) {
            window.see(|| Arc::clone(txn));
        }
    })
    .await;
    let mut rows = Vec::new();
    for txn in &window.rows {
        let driven = desk.driven(txn.xid).await;
        rows.push(SessionDto::new(&desk, txn, &driven, with_branch));
    }
    Ok(Page::new(rows, window.seen, page.0, page.1))
}
