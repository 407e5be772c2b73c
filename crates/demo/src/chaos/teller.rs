//! Makes transfers, as a service does that may be left without an answer, and says what it knows of them then.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use synod_client::native::{self, Payload, Saga, SagaStep, Subscriber};
use synod_client::tm::{Backend, CommitError, GlobalTx};
use tokio::sync::watch;

use super::ledger::{Known, Ledger};
use super::plan::Plan;
use crate::bank::{Order, RETRY_INTERVAL};
use crate::mode::Mode;
use crate::process::Teller;
use crate::setup::Stage;

/// Undecided for so long, it is rolled back.
const TIMEOUT: Duration = Duration::from_secs(8);
/// How long the end of something is waited for that goes on by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a transfer that did not work, as most likely the next one would not either.
const PAUSE: Duration = Duration::from_millis(50);
/// One teller in so many forgets what it has begun.
const FORGETFUL: u32 = 40;

/// Everybody whom a teller asks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) banks: [Teller; 2],
    pub(super) native: Arc<native::Client>,
    seata: Arc<dyn Backend>,
    /// What each bank hears of the other one's outbox on.
    topics: [String; 2],
}

impl Office {
    pub(super) async fn open(stage: &Stage) -> anyhow::Result<Self> {
        let banks = [stage.a.teller.clone(), stage.b.teller.clone()];
        let native = Arc::clone(&stage.coordinator.native);
        let seata = stage.coordinator.seata.clone().context("no listener for Seata is known")?;
        let topics = ["a", "b"].map(|bank| format!("synod-demo-chaos-{bank}"));
        for (topic, bank) in topics.iter().zip(&banks) {
            let (url, remark) = (bank.url("synod/outbox.credit"), "the receiver of a bank".to_owned());
            native.declare_topic(topic, &[Subscriber { url, remark }]).await?;
        }
        Ok(Self { banks, native, seata: Arc::new(seata), topics })
    }
}

/// Makes one transfer after the other until it is told to stop.
pub(super) async fn work(
    office: Office,
    modes: Vec<Mode>,
    mut random: fastrand::Rng,
    ledger: Arc<Ledger>,
    stopped: watch::Receiver<bool>,
) {
    while !*stopped.borrow() {
        let plan = Plan::random(&mut random, &modes);
        let forgets = random.u32(..FORGETFUL) == 0;
        let known = office.transfer(&plan, forgets).await;
        let is_moved = known == Known::Moved;
        ledger.note(plan, known);
        if !is_moved {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Office {
    async fn transfer(&self, plan: &Plan, forgets: bool) -> Known {
        match plan.mode {
            Mode::Saga => self.saga(plan).await,
            Mode::Message | Mode::Outbox => self.order(plan).await,
            Mode::At | Mode::Mixed => self.two_phase(&self.seata, plan, forgets).await,
            Mode::Xa | Mode::Tcc | Mode::MixedNative => {
                let native: Arc<dyn Backend> = self.native.clone();
                self.two_phase(&native, plan, forgets).await
            }
        }
    }

    /// Asks both, and commits if they agree.
    async fn two_phase(&self, manager: &Arc<dyn Backend>, plan: &Plan, forgets: bool) -> Known {
        // What was begun all the same has no branches, and its time-out ends it.
        let Ok(tx) = GlobalTx::begin(manager, "chaos", TIMEOUT).await else { return Known::NotMoved };
        let agreed = tx.scope(self.ask(plan)).await;
        // Nobody but us would commit it: dropped, it is rolled back, by its time-out if nobody can be told.
        if forgets {
            return Known::NotMoved;
        }
        if !agreed {
            // The same: if nobody can be told, its time-out does it.
            tx.rollback().await.ok();
            return Known::NotMoved;
        }
        let xid = tx.xid().to_string();
        match tx.commit().await {
            Ok(()) => Known::Moved,
            Err(CommitError::Otherwise(_)) => Known::NotMoved,
            Err(_) => Known::Ask(xid),
        }
    }

    async fn ask(&self, plan: &Plan) -> bool {
        for (part, side, bank) in plan.take.iter().map(|part| (part, "debit", plan.from)).chain([(
            &plan.bring,
            "credit",
            plan.to(),
        )]) {
            let asked = self.banks[bank].ask(&format!("{}/{side}", part.way), &part.posting).await;
            if !matches!(asked, Ok(Ok(_))) {
                return false;
            }
        }
        true
    }

    async fn saga(&self, plan: &Plan) -> Known {
        let mut saga = Saga::new("chaos").gid(&plan.id).retry_interval(RETRY_INTERVAL);
        for (part, side, bank) in [(plan.take[0], "debit", plan.from), (plan.bring, "credit", plan.to())] {
            let url = self.banks[bank].url(&format!("synod/saga.{side}"));
            let Ok(payload) = Payload::json(&part.posting) else { return Known::NotMoved };
            saga = saga.step(SagaStep::new(&url).compensate(&url).id(side).payload(payload));
        }
        if saga.submit(&self.native).await.is_ok() {
            self.native.wait(&plan.id, PATIENCE).await.ok();
        }
        Known::Ask(plan.id.clone())
    }

    /// A message, or word left in an outbox.
    async fn order(&self, plan: &Plan) -> Known {
        let to = match plan.mode {
            Mode::Outbox => self.topics[plan.to()].clone(),
            _ => self.banks[plan.to()].url("synod/message.credit"),
        };
        let (take, bring) = (plan.take[0].posting, plan.bring.posting);
        let order = Order { id: plan.id.clone(), take, bring, to };
        let path = format!("{}/debit", plan.mode.as_str());
        match self.banks[plan.from].ask(&path, &order).await {
            // The bank has said no, and keeps to it.
            Ok(Err(_)) => Known::NotMoved,
            Ok(Ok(_)) => {
                self.native.wait(&plan.id, PATIENCE).await.ok();
                Known::Ask(plan.id.clone())
            }
            Err(_) => Known::Ask(plan.id.clone()),
        }
    }
}
