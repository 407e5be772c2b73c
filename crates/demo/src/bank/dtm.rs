//! A branch of a service that was written for dtm: it joins by dtm's own HTTP API, whoever has begun the transaction, and is ended as
//! dtm ends branches.

use http::Method;
use serde_json::json;
use synod_client::Xid;
use synod_client::call::http::Client;
use synod_client::sql::{Key, Op};

use super::posting::{NotDone, Posting, Said, Side};
use super::service::Bank;
use super::vault::Vault;
use crate::mode::Mode;

/// dtm's clients count their branches.
const BRANCH: &str = "01";

/// A node's listener for dtm.
#[derive(Clone, Debug)]
pub(super) struct Dtm {
    pub(super) url: String,
    pub(super) client: Client,
}

impl Dtm {
    async fn register_branch(&self, xid: &Xid, own: &str, posting: Posting) -> Result<(), NotDone> {
        let data = serde_json::to_string(&posting).map_err(NotDone::failed)?;
        let branch = json!({
            "gid": xid.as_str(), "trans_type": "tcc", "branch_id": BRANCH, "data": data,
            "confirm": format!("{own}/confirm"), "cancel": format!("{own}/cancel"),
        });
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(format!("{}/api/dtmsvr/registerBranch", self.url))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(branch.to_string().into())
            .map_err(NotDone::failed)?;
        let answer = self.client.send(request).await.map_err(NotDone::failed)?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(NotDone::failed(String::from_utf8_lossy(answer.body())))
    }
}

/// The try: joins, then reserves.
pub(super) async fn call<DB: Vault>(bank: &Bank<DB>, xid: &Xid, side: Side, posting: Posting) -> Said {
    let dtm = bank.dtm.as_ref().ok_or_else(|| NotDone::failed("no listener for dtm is known"))?;
    let own = format!("{}/dtm/{}", bank.base, side.as_str());
    dtm.register_branch(xid, &own, posting).await?;
    let account = bank.account(Mode::Mixed, side);
    account.step(Key::branch(xid.as_str(), BRANCH), Op::Try, posting).await
}

/// The other half: dtm says in the query which branch it is about.
pub(super) async fn end<DB: Vault>(bank: &Bank<DB>, side: Side, op: Op, query: &str, body: &[u8]) -> Said {
    let posting: Posting = serde_json::from_slice(body).map_err(NotDone::failed)?;
    let named = |name: &str| {
        let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.into_owned())
            .ok_or_else(|| NotDone::failed(format!("no {name} is said")))
    };
    let (gid, branch) = (named("gid")?, named("branch_id")?);
    bank.account(Mode::Mixed, side).step(Key::branch(&gid, &branch), op, posting).await
}
