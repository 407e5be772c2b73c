//! A coordinator that says what a test has it say, and calls whoever has registered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use synod_client::rm::{self, Branch, EndError, EnlistError, Kind, NewBranch, Resource};
use synod_client::tm::{self, Decision, Status};
use synod_client::{Xid, sql::BoxFuture};

#[derive(Default)]
pub(crate) struct Coordinator {
    resource: Mutex<Option<Arc<dyn Resource>>>,
    branches: Mutex<Vec<Branch>>,
    failed: Mutex<Vec<Branch>>,
    decisions: Mutex<BTreeMap<Xid, Decision>>,
    numbers: AtomicU64,
    pub(crate) asked: AtomicU64,
}

impl Coordinator {
    pub(crate) const ADDRESS: &str = "127.0.0.1:8091";

    pub(crate) fn new() -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let numbers = AtomicU64::new(NUMBERS.fetch_add(1_000, Ordering::Relaxed));
        Arc::new(Self { numbers, ..Self::default() })
    }

    pub(crate) fn xid(&self) -> Xid {
        self.xid_at(Self::ADDRESS)
    }

    pub(crate) fn xid_at(&self, address: &str) -> Xid {
        Xid::parse(&format!("{address}:{}", self.numbers.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    pub(crate) fn decide(&self, xid: &Xid, decision: Decision) {
        self.decisions.lock().unwrap().insert(xid.clone(), decision);
    }

    /// The only branch of a transaction.
    pub(crate) fn branch(&self, xid: &Xid) -> Branch {
        self.branches.lock().unwrap().iter().find(|branch| branch.xid == *xid).unwrap().clone()
    }

    pub(crate) fn has_failed(&self, xid: &Xid) -> bool {
        self.failed.lock().unwrap().iter().any(|branch| branch.xid == *xid)
    }

    pub(crate) fn has_joined(&self, xid: &Xid) -> bool {
        self.branches.lock().unwrap().iter().any(|branch| branch.xid == *xid)
    }

    /// The branch that will join next.
    pub(crate) fn branch_to_come(&self, xid: &Xid) -> Branch {
        let branch = self.join(xid);
        self.branches.lock().unwrap().pop();
        self.numbers.fetch_sub(1, Ordering::Relaxed);
        branch
    }

    /// Makes a branch join that nobody works for.
    pub(crate) fn join(&self, xid: &Xid) -> Branch {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed).to_string();
        let data = bytes::Bytes::new();
        let branch =
            Branch { xid: xid.clone(), id: id.into(), resource: "bank".into(), kind: Kind::Xa, data };
        self.branches.lock().unwrap().push(branch.clone());
        branch
    }

    pub(crate) async fn commit(&self, branch: &Branch) -> Result<(), EndError> {
        self.resource().commit(branch).await
    }

    pub(crate) async fn rollback(&self, branch: &Branch) -> Result<(), EndError> {
        self.resource().rollback(branch).await
    }

    fn resource(&self) -> Arc<dyn Resource> {
        self.resource.lock().unwrap().clone().unwrap()
    }
}

impl rm::Backend for Coordinator {
    fn register<'a>(
        &'a self,
        _: Arc<str>,
        kind: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>> {
        assert_eq!(kind, Kind::Xa);
        *self.resource.lock().unwrap() = Some(resource);
        Box::pin(async { Ok(()) })
    }

    fn enlist(&self, branch: NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>> {
        Box::pin(async move { Ok(self.join(&branch.xid)) })
    }

    fn failed<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>> {
        self.failed.lock().unwrap().push(branch.clone());
        Box::pin(async { Ok(()) })
    }

    fn is_free<'a>(&'a self, _: &'a Xid, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<bool, EnlistError>> {
        unreachable!("XA does not ask for rows")
    }
}

impl tm::Backend for Coordinator {
    fn begin<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, Result<Xid, tm::Error>> {
        unreachable!("nobody begins")
    }

    fn commit<'a>(&'a self, _: &'a Xid) -> BoxFuture<'a, Result<Status, tm::Error>> {
        unreachable!("nobody decides")
    }

    fn rollback<'a>(&'a self, _: &'a Xid) -> BoxFuture<'a, Result<Status, tm::Error>> {
        unreachable!("nobody decides")
    }

    fn decision<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Decision, tm::Error>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(xid.address(), Self::ADDRESS, "asked about what is another coordinator's");
        let decision = self.decisions.lock().unwrap().get(xid).copied();
        Box::pin(async move { decision.ok_or_else(|| tm::Error::Unreachable("no leader".to_owned())) })
    }

    fn status<'a>(&'a self, _: &'a Xid) -> BoxFuture<'a, Result<Status, tm::Error>> {
        unreachable!("nobody looks")
    }
}
