//! What an instance does: registers, renews, tries another node when one fails, changes its mind, leaves or dies.

use synod_base::rng::Rng;
use synod_core::registry::{Instance, Status};

use crate::node::{Deed, Done};
use crate::plan::Plan;
use crate::truth::Key;

/// After this time without an answer the next node is tried.
pub const TIMEOUT_MS: u64 = 1_000;
/// The longest a request to a node is on its way, either way; shorter than [`TIMEOUT_MS`], so that a request is either done
/// or never done when the next one leaves, unless the node stands still.
pub const DELAY_MS_MAX: u64 = 400;
/// How often leaving is tried.
const LEAVE_TRIES: u32 = 3;

/// What a client waits for.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Names the request: a late answer to an earlier one is ignored.
    pub number: u64,
    /// What was asked.
    pub deed: Deed,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Application and id.
    pub key: Key,
    /// Whether the process runs.
    pub running: bool,
    /// Which of its processes this is.
    pub life: u32,
    /// The node it talks to.
    pub node: usize,
    /// Its open request.
    pub pending: Option<Pending>,
    registered: bool,
    leaving: u32,
    status: Status,
    dirty_ms: u64,
    renew_ms: u64,
    duration_s: u32,
    next_ms: u64,
    last_number: u64,
    rng: Rng,
}

impl Client {
    /// Client `number`, not running.
    pub fn new(plan: &Plan, number: usize) -> Self {
        Self {
            key: (["CART", "ORDERS", "STOCK"][number % 3].to_owned(), format!("i{number}")),
            running: false,
            life: 0,
            node: number % plan.servers(),
            pending: None,
            registered: false,
            leaving: 0,
            status: Status::Up,
            dirty_ms: 0,
            renew_ms: plan.renew_ms,
            duration_s: plan.duration_s,
            next_ms: 0,
            last_number: 0,
            rng: Rng::new(plan.seed ^ 0xc11e ^ ((number as u64) << 32)),
        }
    }

    /// The process starts. Returns the dirty timestamp of its description.
    pub fn start(&mut self, now_ms: u64) -> u64 {
        self.life += 1;
        (self.running, self.registered, self.leaving) = (true, false, 0);
        (self.status, self.next_ms, self.pending) = (Status::Up, now_ms, None);
        self.changed(now_ms)
    }

    /// The process dies without a word.
    pub fn die(&mut self) {
        self.running = false;
        self.pending = None;
    }

    /// The process is going to take leave.
    pub fn leave(&mut self, now_ms: u64) {
        self.leaving = LEAVE_TRIES;
        self.next_ms = now_ms;
    }

    /// Whether it is on its way out.
    pub fn is_leaving(&self) -> bool {
        self.leaving > 0
    }

    /// Its status changes, and it registers again.
    pub fn set_status(&mut self, status: Status, now_ms: u64) {
        self.status = status;
        self.registered = false;
        self.next_ms = now_ms;
        self.changed(now_ms);
    }

    /// It talks to another node from now on.
    pub fn fail_over(&mut self, nodes: usize) {
        self.node = (self.node + 1 + self.rng.below(nodes as u64 - 1) as usize) % nodes;
    }

    fn changed(&mut self, now_ms: u64) -> u64 {
        self.dirty_ms = (crate::node::EPOCH_MS + now_ms).max(self.dirty_ms + 1);
        self.dirty_ms
    }

    /// When it has something to do.
    pub fn wake_ms(&self) -> Option<u64> {
        (self.running && self.pending.is_none()).then_some(self.next_ms)
    }

    /// The next request, if one is due.
    pub fn poll(&mut self, now_ms: u64) -> Option<Pending> {
        if self.wake_ms().is_none_or(|due| now_ms < due) {
            return None;
        }
        let deed = if self.leaving > 0 {
            Deed::Cancel
        } else if self.registered {
            Deed::Renew(self.dirty_ms)
        } else {
            Deed::Register(Box::new(Instance {
                status: self.status,
                dirty_ms: self.dirty_ms,
                duration_s: self.duration_s,
                renewal_interval_s: (self.renew_ms / 1_000) as u32,
                ..Instance::new(&self.key.0, &self.key.1)
            }))
        };
        self.last_number += 1;
        let pending = Pending { number: self.last_number, deed };
        self.pending = Some(pending.clone());
        Some(pending)
    }

    /// The node answered. Returns whether the process ended with that.
    pub fn answered(&mut self, number: u64, done: Done, now_ms: u64) -> bool {
        let Some(pending) = self.pending.take_if(|pending| pending.number == number) else { return false };
        match (pending.deed, done) {
            (Deed::Cancel, _) => {
                self.running = false;
                return true;
            }
            (Deed::Register(instance), Done::Yes) => {
                // It may have changed its mind in the meantime.
                self.registered = instance.dirty_ms == self.dirty_ms;
            }
            (Deed::Renew(_), Done::No { .. }) => {
                self.registered = false;
                self.changed(now_ms);
            }
            _ => {}
        }
        let soon = !self.registered || self.leaving > 0;
        self.next_ms = if soon { now_ms } else { now_ms + self.renew_ms };
        false
    }

    /// No answer came in time. Returns whether the process ended with that.
    pub fn timed_out(&mut self, number: u64, nodes: usize, now_ms: u64) -> bool {
        let Some(pending) = self.pending.take_if(|pending| pending.number == number) else { return false };
        self.fail_over(nodes);
        self.next_ms = now_ms;
        if matches!(pending.deed, Deed::Cancel) {
            self.leaving -= 1;
            self.running = self.leaving > 0;
            return !self.running;
        }
        false
    }
}
