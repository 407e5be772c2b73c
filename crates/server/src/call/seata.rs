//! Phase two over the connections of Seata clients, the other way round than elsewhere: it is the participant who has connected,
//! and calls go down that connection. The face enters each connection here ([`Channels::enter`]), says what registers on it and
//! what is answered, and writes what is put into its queue.
//!
//! What is awaited stands in one table of the process, not of the connection: a client may answer over another of its connections
//! (`seata.md` 1.1).

mod address;
mod directory;
mod terms;
mod verdict;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use synod_core::txn::Way;
use synod_wire::seata::{BranchEnd, BranchEndAnswer, BranchType, Kind, Message, Text, UndoLogDelete};
use tokio::sync::{mpsc, oneshot};

use self::directory::Directory;
use super::Trouble;
use super::errand::Task;
use super::native::Verdict;

pub use self::address::{Address, destination};
pub use self::directory::{ChannelId, TooMany};
pub(crate) use self::terms::{Initiator, Progress, done, status};

/// Messages that wait for a connection to take them; one more is a call that failed.
const QUEUE_MAX: usize = 1_024;

/// A message that a connection is to write.
#[derive(Debug)]
pub struct Outgoing {
    /// Of the frame.
    pub id: i32,
    /// Whether it is to be answered.
    pub kind: Kind,
    /// The message.
    pub message: Message,
}

/// A call that was made and not answered yet.
#[derive(Debug)]
struct Awaited {
    channel: ChannelId,
    xid: Text,
    branch_id: i64,
    answer: oneshot::Sender<Result<BranchEndAnswer, Trouble>>,
}

#[derive(Debug, Default)]
struct Inner {
    directory: Directory<mpsc::Sender<Outgoing>>,
    awaited: HashMap<i32, Awaited>,
    last_id: i32,
}

impl Inner {
    /// An id that no call waits under.
    fn next_id(&mut self) -> i32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1) & i32::MAX;
            if !self.awaited.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

/// The connections of all Seata clients. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Channels(Arc<Mutex<Inner>>);

/// A connection's place among them, given back when it is dropped: calls that were made on it have failed then.
#[derive(Debug)]
pub struct Seat {
    channels: Channels,
    id: ChannelId,
}

/// A call under way; nobody waits for its answer any more when it is dropped.
#[derive(Debug)]
struct Call {
    channels: Channels,
    id: i32,
    answer: oneshot::Receiver<Result<BranchEndAnswer, Trouble>>,
}

impl Channels {
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Somebody has connected; whatever comes out of the queue is to be written there.
    pub fn enter(&self, peer: SocketAddr) -> (Seat, mpsc::Receiver<Outgoing>) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let id = self.with(|inner| inner.directory.enter(peer, sender));
        (Seat { channels: self.clone(), id }, queue)
    }

    /// Calls that were made and not answered yet.
    pub fn awaited_len(&self) -> usize {
        self.with(|inner| inner.awaited.len())
    }

    /// Tells one participant of each resource to delete undo logs that are older than so many days. Returns how many were told.
    pub fn delete_undo_logs(&self, save_days: i16) -> usize {
        self.with(|inner| {
            let told: Vec<_> = inner.directory.one_of_each().collect();
            let told = told.into_iter().filter(|(resource, channel)| {
                let resource_id = (**resource).into();
                let message = UndoLogDelete { branch_type: BranchType::At, resource_id, save_days };
                let outgoing = Outgoing {
                    id: inner.next_id(),
                    kind: Kind::OneWay,
                    message: Message::UndoLogDelete(message),
                };
                let channel = inner.directory.get_mut(*channel);
                channel.is_some_and(|channel| channel.link.try_send(outgoing).is_ok())
            });
            told.count()
        })
    }

    /// Makes a call and waits for its answer, for as long as somebody polls this.
    async fn tell(&self, address: &Address, way: Way, end: BranchEnd) -> Result<BranchEndAnswer, Trouble> {
        let mut call = self.send(address, way, end)?;
        let answer = (&mut call.answer).await;
        answer.unwrap_or_else(|_| Err(Trouble::silent("the connection was given up".into())))
    }

    fn send(&self, address: &Address, way: Way, end: BranchEnd) -> Result<Call, Trouble> {
        let silent = |why: &str| Err(Trouble::silent(format!("{why} {}", address.resource)));
        self.with(|inner| {
            let Some(channel) = inner.directory.choose(address) else {
                return silent("no RM is connected that may be told, of the resource");
            };
            let id = inner.next_id();
            let (xid, branch_id) = (end.xid.clone(), end.branch_id);
            let message = match way {
                Way::Forward => Message::BranchCommit(end),
                Way::Backward => Message::BranchRollback(end),
            };
            let link = inner.directory.get_mut(channel).map(|channel| &channel.link);
            let outgoing = Outgoing { id, kind: Kind::Request, message };
            if link.is_none_or(|link| link.try_send(outgoing).is_err()) {
                return silent("too much waits for the connection to the RM of");
            }
            let (sender, answer) = oneshot::channel();
            inner.awaited.insert(id, Awaited { channel, xid, branch_id, answer: sender });
            Ok(Call { channels: self.clone(), id, answer })
        })
    }

    /// The call's end, unless nobody waits for it.
    fn settle(&self, id: i32, answer: Result<BranchEndAnswer, Trouble>) {
        if let Some(awaited) = self.with(|inner| inner.awaited.remove(&id)) {
            // Who waited may have gone in this moment.
            drop(awaited.answer.send(answer));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.channels.with(|inner| inner.awaited.remove(&self.id));
    }
}

impl Seat {
    /// A participant of `application` registers. Returns the resources that are new on this connection.
    ///
    /// # Errors
    /// There are too many.
    pub fn register_rm(&self, application: &str, resource_ids: &str) -> Result<Vec<Arc<str>>, TooMany> {
        self.channels.with(|inner| inner.directory.register_rm(self.id, application, each(resource_ids)))
    }

    /// A participant takes resources back.
    pub fn unregister_rm(&self, resource_ids: &str) {
        self.channels.with(|inner| inner.directory.unregister_rm(self.id, each(resource_ids)));
    }

    /// The answer to a call, which need not have been made on this connection. Returns whether somebody waits for it.
    pub fn answered(&self, id: i32, answer: BranchEndAnswer) -> bool {
        self.channels.with(|inner| {
            let is_it =
                |awaited: &Awaited| awaited.branch_id == answer.branch_id && awaited.xid == answer.xid;
            if !inner.awaited.get(&id).is_some_and(is_it) {
                return false;
            }
            let awaited = inner.awaited.remove(&id);
            awaited.is_some_and(|awaited| awaited.answer.send(Ok(answer)).is_ok())
        })
    }

    /// The call cannot be made: its message cannot be written.
    pub fn unwritable(&self, id: i32, error: &dyn std::error::Error) {
        self.channels.settle(id, Err(Trouble::ours(format!("the call cannot be put: {error}"))));
    }

    /// Whether calls were made on this connection and not answered yet.
    pub fn is_awaiting(&self) -> bool {
        self.channels.with(|inner| inner.awaited.values().any(|awaited| awaited.channel == self.id))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left: Vec<_> = self.channels.with(|inner| {
            inner.directory.leave(self.id);
            inner.awaited.extract_if(|_, awaited| awaited.channel == self.id).collect()
        });
        for (_, awaited) in left {
            let text = "the connection to the RM was closed before it answered".into();
            drop(awaited.answer.send(Err(Trouble::silent(text))));
        }
    }
}

/// Resource ids stand in one text, with commas between them.
fn each(resource_ids: &str) -> impl Iterator<Item = &str> {
    resource_ids.split(',').filter(|resource| !resource.is_empty())
}

/// Tells a branch to commit or to roll back.
pub(super) async fn send(
    channels: &Channels,
    task: &Task<'_>,
    url: &str,
    now_ms: u64,
) -> Result<Verdict, Trouble> {
    let cannot = |why: &str| Trouble::ours(format!("\"{url}\" cannot be called: {why}"));
    let address = Address::parse(url).ok_or_else(|| cannot("not the address of a Seata branch"))?;
    let branch = task.branch.and_then(|id| id.parse().ok());
    let branch_id = branch.ok_or_else(|| cannot("the branch's id is not a number"))?;
    let data = match address.branch_type {
        BranchType::Saga => Some(verdict::machine_status(task.txn, task.way)),
        _ => Text::from_utf8(task.payload.clone().into_owned()),
    };
    let end = BranchEnd {
        xid: task.txn.xid.text(&address.xid_address).into(),
        branch_id,
        branch_type: address.branch_type,
        resource_id: (*address.resource).into(),
        application_data: data.ok_or_else(|| cannot("its data is not UTF-8"))?,
    };
    let answer = channels.tell(&address, task.way, end).await?;
    let surely_ended = verdict::has_surely_ended(task.txn, now_ms);
    Ok((verdict::of(&answer, address.branch_type, task.way, surely_ended), None))
}

#[cfg(test)]
mod tests;
