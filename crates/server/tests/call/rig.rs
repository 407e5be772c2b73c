//! A caller, and transactions whose branches it calls.

use std::sync::Arc;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::drive::{Call, CallId};
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Branch, Leg, Mode, Options, Protocol, Status, Target, Txn, Way};
use synod_server::call::{CallMetrics, Caller, Settings};
use synod_server::clock::Clock;
use synod_server::config::{Config, Sources};
use synod_server::lists::OwnInstance;
use synod_server::metrics;
use synod_server::net::tls::Trust;
use synod_server::registry::Registry;

pub(crate) struct Rig {
    pub(crate) caller: Caller,
    pub(crate) registry: Arc<Registry>,
    metrics: metrics::Registry,
}

impl Rig {
    pub(crate) fn new(set: &[&str]) -> Self {
        let set = set.iter().map(ToString::to_string).collect();
        let config = Config::load(&Sources { set, ..Sources::default() }).unwrap();
        let clock = Clock::system();
        let registry = Registry::new(&config.registry, clock.clone(), OwnInstance::default(), 1);
        let registry = Arc::new(registry);
        let mut metrics = metrics::registry(0);
        let caller = Caller::new(
            Settings::new(&config, "synod.example:8091").unwrap(),
            Arc::clone(&registry),
            Arc::new(Trust::new("").unwrap()),
            clock,
            CallMetrics::new(&mut metrics),
        );
        Self { caller, registry, metrics }
    }

    pub(crate) async fn result(&self, call: &Call) -> CallResult {
        self.caller.deliver(call).await.result
    }

    pub(crate) fn metrics(&self) -> String {
        metrics::render(&[&self.metrics])
    }
}

pub(crate) fn failed(result: CallResult) -> String {
    match result {
        CallResult::Failed(text) => text.into(),
        other => panic!("not failed: {other:?}"),
    }
}

/// A transaction with one branch, `b1`, both of whose legs go to `url`.
pub(crate) fn txn(mode: Mode, protocol: Protocol, url: &str) -> Txn {
    let target = Target { protocol, url: url.into() };
    let branch = Branch {
        id: "b1".into(),
        label: "".into(),
        forward: Leg::new(Some(target.clone())),
        backward: Leg::new(Some(target)),
        payload: Bytes::from_static(br#"{"amount":30}"#),
        after: [].into_iter().collect(),
        joined_ms: 0,
        rows: None,
    };
    Txn {
        xid: Xid::new(0, 77).unwrap(),
        gid: Some("order-1".into()),
        mode,
        name: "order".into(),
        status: Status::Committing,
        options: Options::default(),
        headers: Vec::new(),
        back_check: None,
        note: Bytes::new(),
        begun_ms: 0,
        decided_ms: 0,
        touched_ms: 0,
        reason: "".into(),
        result: Bytes::new(),
        branches: vec![branch],
        digest: 0,
    }
}

pub(crate) fn forward(txn: Txn) -> Call {
    call(txn, Errand::Leg(0, Way::Forward))
}

pub(crate) fn backward(txn: Txn) -> Call {
    call(txn, Errand::Leg(0, Way::Backward))
}

/// Asks the initiator, at the URL of the branch.
pub(crate) fn back_check(mut txn: Txn) -> Call {
    txn.back_check = txn.branches[0].forward.target.clone();
    call(txn, Errand::BackCheck)
}

fn call(txn: Txn, errand: Errand) -> Call {
    Call { id: CallId(1), errand, txn: Arc::new(txn) }
}

/// A saga's action at `url`, in our own dialect.
pub(crate) fn action(url: &str) -> Call {
    forward(txn(Mode::Saga, Protocol::Http, url))
}
