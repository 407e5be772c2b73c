//! A Java Eureka server, as far as clients and peers can tell. Written from sections 3 and 4 of `eureka.md`, slow and
//! literal, so that it shares neither code nor thought with `synod-core`.
//!
//! Left out: self-preservation and remote regions (off), the end of overrides after an hour, autoscaling groups, and the
//! client that a server has inside, except that it copies a peer's list at the start.

pub mod queue;
pub mod registry;

use std::cell::RefCell;
use std::rc::Rc;

use synod_base::rng::Rng;
use synod_core::registry::Status;
use synod_core::registry::sync::listed::Shown;

use self::queue::{Queue, Task};
use self::registry::{Holder, Info, Registry};
use crate::node::{Deed, Done, EPOCH_MS};
use crate::plan::Plan;
use crate::truth::Key;

/// How often the cache that readers see is refreshed, where there is one.
const REFRESH_MS: u64 = 30_000;
/// How long the cache behind it keeps what it loaded, if it hears of no change.
const LOADED_MS: u64 = 180_000;
/// How long anything but a registration and a heartbeat is worth telling.
const REPLICATION_MS: u64 = 30_000;

/// What a batch says was done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It registered, or its metadata was changed.
    Register,
    /// It renewed.
    Heartbeat,
    /// It left.
    Cancel,
    /// Its override was set.
    StatusUpdate,
    /// Its override was removed.
    DeleteStatusOverride,
}

/// One item of a batch.
#[derive(Clone, Debug)]
pub struct Item {
    /// What was done.
    pub action: Action,
    /// To whom.
    pub key: Key,
    /// `lastDirtyTimestamp`.
    pub dirty_ms: Option<u64>,
    /// `status`.
    pub status: Option<Status>,
    /// `overriddenStatus`.
    pub overridden: Option<Status>,
    /// `instanceInfo`.
    pub info: Option<Info>,
}

/// The answer to one item.
#[derive(Clone, Debug)]
pub enum Said {
    /// 200.
    Ok,
    /// 404.
    Unknown,
    /// 409, with what is held.
    Conflict(Box<Info>),
}

/// A running server.
#[derive(Debug)]
pub struct Java {
    /// Its number among all servers.
    pub number: usize,
    /// Which of its lives this is.
    pub life: u32,
    /// What it holds.
    pub registry: Registry,
    /// To each peer, by number; none to itself.
    pub queues: Vec<Option<Queue>>,
    ahead_ms: u64,
    evict_every_ms: u64,
    evicted_ms: u64,
    cached: bool,
    /// When it was loaded, after how many changes, and what.
    loaded: Option<(u64, u64, Vec<Shown>)>,
    /// In which interval it was refreshed, and what.
    refreshed: Option<(u64, Vec<Shown>)>,
    rng: Rng,
}

impl Java {
    /// Starts server `number` with an empty registry.
    pub fn start(plan: &Plan, number: usize, life: u32, ahead_ms: u64, now_ms: u64) -> Self {
        Self {
            number,
            life,
            registry: Registry::default(),
            queues: (0..plan.servers()).map(|peer| (peer != number).then(Queue::default)).collect(),
            ahead_ms,
            evict_every_ms: plan.java_evict_ms,
            evicted_ms: now_ms,
            cached: plan.java_cache,
            loaded: None,
            refreshed: None,
            rng: Rng::new(plan.seed ^ (u64::from(life) << 32) ^ ((number as u64) << 48)),
        }
    }

    /// Takes over what is UP in a peer's list (`eureka.md` 3.9 and 12.5).
    pub fn copy(&mut self, list: Vec<Info>, now_ms: u64) -> usize {
        let up: Vec<_> = list.into_iter().filter(|info| info.status == Status::Up).collect();
        let count = up.len();
        up.into_iter().for_each(|info| self.registry.register(holder(info), true, self.wall(now_ms)));
        count
    }

    fn wall(&self, now_ms: u64) -> u64 {
        EPOCH_MS + now_ms + self.ahead_ms
    }

    /// Once a second. Returns whom it evicted.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Key> {
        if self.refreshed.as_ref().is_some_and(|(at, _)| *at != self.wall(now_ms) / REFRESH_MS) {
            self.refresh(now_ms);
        }
        let elapsed_ms = now_ms - self.evicted_ms;
        if elapsed_ms < self.evict_every_ms {
            return Vec::new();
        }
        self.evicted_ms = now_ms;
        let wall_ms = self.wall(now_ms);
        self.registry.evict(elapsed_ms - self.evict_every_ms, wall_ms, &mut self.rng)
    }

    fn load(&mut self, now_ms: u64) -> Vec<Shown> {
        let wall_ms = self.wall(now_ms);
        let changes = self.registry.changes;
        let is_fresh = |(at, known, _): &(u64, u64, _)| *known == changes && wall_ms < at + LOADED_MS;
        if !self.loaded.as_ref().is_some_and(is_fresh) {
            self.loaded = Some((wall_ms, changes, self.registry.list(wall_ms)));
        }
        self.loaded.as_ref().map(|(.., list)| list.clone()).unwrap_or_default()
    }

    fn refresh(&mut self, now_ms: u64) {
        self.refreshed = Some((self.wall(now_ms) / REFRESH_MS, self.load(now_ms)));
    }

    /// The list as readers get it.
    pub fn list(&mut self, now_ms: u64) -> Vec<Shown> {
        if !self.cached {
            return self.load(now_ms);
        }
        if self.refreshed.is_none() {
            self.refresh(now_ms);
        }
        self.refreshed.as_ref().map(|(_, list)| list.clone()).unwrap_or_default()
    }

    /// Single instances, which no cache stands before.
    pub fn look(&self, keys: &[Key], now_ms: u64) -> Vec<Shown> {
        keys.iter().filter_map(|key| self.registry.found(key, self.wall(now_ms))).collect()
    }

    /// Does what a client or an operator asks, and queues it for the peers.
    pub fn act(&mut self, key: &Key, deed: &Deed, now_ms: u64) -> Done {
        let wall_ms = self.wall(now_ms);
        let visible = self.registry.found(key, wall_ms).is_some();
        let registry = &mut self.registry;
        let action = match deed {
            Deed::Register(instance) => {
                let given = holder(Info::described((**instance).clone()));
                registry.register(Rc::clone(&given), false, wall_ms);
                // What is told is what was given, even where what was held already is newer.
                self.replicate(Action::Register, key, Some(given), now_ms);
                return Done::Yes;
            }
            Deed::Renew(_) => registry.renew(key, false, wall_ms).then_some(Action::Heartbeat),
            Deed::Cancel => registry.cancel(key).then_some(Action::Cancel),
            Deed::Override(status) => {
                let done = visible && registry.set_status(key, *status, None, wall_ms);
                done.then_some(Action::StatusUpdate)
            }
            Deed::ClearOverride => {
                let done = visible && registry.clear_status(key, Status::Up, None, wall_ms);
                done.then_some(Action::DeleteStatusOverride)
            }
            Deed::Metadata(value) => registry.held(key).filter(|_| visible).map(|held| {
                registry.register(noted(held, value), false, wall_ms);
                Action::Register
            }),
        };
        let Some(action) = action else { return Done::No { heard: false } };
        let held = self.registry.held(key).filter(|_| action != Action::Cancel);
        self.replicate(action, key, held, now_ms);
        match deed {
            Deed::Renew(dirty_ms) if self.dirty_of(key) < *dirty_ms => Done::No { heard: true },
            _ => Done::Yes,
        }
    }

    /// The version that is held of an instance.
    pub fn dirty_of(&self, key: &Key) -> u64 {
        self.registry.held(key).map_or(0, |held| held.borrow().dirty_ms)
    }

    /// Section 4.1.
    fn replicate(&mut self, action: Action, key: &Key, holder: Option<Holder>, now_ms: u64) {
        let heartbeat = action == Action::Heartbeat;
        let overridden = self.registry.override_of(key).filter(|_| heartbeat);
        let task = Task { action, key: key.clone(), holder, overridden };
        for queue in self.queues.iter_mut().flatten() {
            queue.add(task.clone(), now_ms + worth_ms(&task), now_ms);
        }
    }

    /// Executes a peer's batch (4.4).
    pub fn execute(&mut self, items: Vec<Item>, now_ms: u64) -> Vec<Said> {
        items.into_iter().map(|item| self.execute_one(item, now_ms)).collect()
    }

    fn execute_one(&mut self, item: Item, now_ms: u64) -> Said {
        let wall_ms = self.wall(now_ms);
        let Item { action, key, dirty_ms, status, overridden, info } = item;
        let visible = self.registry.found(&key, wall_ms).is_some();
        let status = status.unwrap_or_default();
        let done = match action {
            Action::Register => {
                let info = info.expect("a registration has its instance");
                self.registry.register(holder(info), true, wall_ms);
                true
            }
            Action::Heartbeat => return self.heartbeat(&key, dirty_ms, overridden, wall_ms),
            Action::Cancel => self.registry.cancel(&key),
            Action::StatusUpdate => visible && self.registry.set_status(&key, status, dirty_ms, wall_ms),
            Action::DeleteStatusOverride => {
                visible && self.registry.clear_status(&key, status, dirty_ms, wall_ms)
            }
        };
        if done { Said::Ok } else { Said::Unknown }
    }

    fn heartbeat(
        &mut self,
        key: &Key,
        dirty_ms: Option<u64>,
        overridden: Option<Status>,
        wall_ms: u64,
    ) -> Said {
        if !self.registry.renew(key, true, wall_ms) {
            return Said::Unknown;
        }
        let held = self.registry.held(key).expect("it was renewed").borrow().clone();
        match dirty_ms {
            Some(dirty_ms) if dirty_ms > held.dirty_ms => {
                if let Some(status) = overridden.filter(|status| *status != Status::Unknown) {
                    self.registry.store_override(key, status);
                }
                Said::Unknown
            }
            Some(dirty_ms) if dirty_ms < held.dirty_ms => Said::Conflict(Box::new(held)),
            _ => Said::Ok,
        }
    }

    /// What a peer's answers mean here (4.5).
    pub fn answered(&mut self, peer: usize, number: u64, said: Vec<Said>, now_ms: u64) {
        let wall_ms = self.wall(now_ms);
        let Some(queue) = &mut self.queues[peer] else { return };
        for (task, said) in queue.answered(number).into_iter().zip(said) {
            match (task.action, said) {
                (Action::Heartbeat, Said::Unknown) if task.holder.is_some() => {
                    let task = Task { action: Action::Register, overridden: None, ..task };
                    let expires_ms = now_ms + worth_ms(&task);
                    queue.add(task, expires_ms, now_ms);
                }
                (Action::Heartbeat, Said::Conflict(info)) => {
                    if info.overridden != Status::Unknown {
                        self.registry.store_override(&task.key, info.overridden);
                    }
                    self.registry.register(holder(*info), true, wall_ms);
                }
                _ => {}
            }
        }
    }
}

fn holder(info: Info) -> Holder {
    Rc::new(RefCell::new(info))
}

fn worth_ms(task: &Task) -> u64 {
    match (task.action, &task.holder) {
        (Action::Register | Action::Heartbeat, Some(holder)) => {
            u64::from(holder.borrow().instance.renewal_interval_s) * 1_000
        }
        _ => REPLICATION_MS,
    }
}

/// With other metadata: a new object when there was none, for Java's empty map cannot be changed.
fn noted(held: Holder, value: &str) -> Holder {
    let mut info = held.borrow().clone();
    let mut instance = (*info.instance).clone();
    let empty = instance.metadata.is_empty();
    instance.metadata = Box::new([("note".into(), value.into())]);
    info.instance = instance.into();
    if empty {
        return holder(info);
    }
    *held.borrow_mut() = info;
    held
}
