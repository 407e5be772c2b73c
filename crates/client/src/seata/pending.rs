//! Requests that wait for their answers, by id.

use std::collections::HashMap;

use synod_wire::seata::{Answer, Request};
use tokio::sync::oneshot;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It has not been sent.
    Unsent,
    /// It was sent, and the connection has ended.
    Broken,
    /// The time is over.
    TimedOut,
    /// It cannot be said in the protocol.
    Unwritable(String),
    /// There is an answer, and it cannot be read.
    Unreadable(String),
}

/// What comes back to whoever asked.
pub(super) type Reply = Result<Answer, Lost>;

/// A request on its way to a server.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) request: Request,
    /// Dropped without a word, it says [`Lost::Broken`].
    pub(super) reply: oneshot::Sender<Reply>,
}

/// Requests that wait for their answers.
#[derive(Debug)]
pub(super) struct Pending {
    replies: HashMap<i32, oneshot::Sender<Reply>>,
    last_id: i32,
    max: usize,
}

impl Pending {
    pub(super) fn new(max: usize) -> Self {
        Self { replies: HashMap::new(), last_id: 0, max }
    }

    /// An id that nobody waits under. As the original's, it is never negative, and begins again behind the greatest.
    pub(super) fn next_id(&mut self) -> i32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1) & i32::MAX;
            if !self.replies.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(super) fn wait(&mut self, id: i32, reply: oneshot::Sender<Reply>) {
        self.replies.insert(id, reply);
    }

    /// Whether one more may wait. Who has given up meanwhile is forgotten.
    pub(super) fn has_room(&mut self) -> bool {
        if self.replies.len() >= self.max {
            self.sweep();
        }
        self.replies.len() < self.max
    }

    pub(super) fn sweep(&mut self) {
        self.replies.retain(|_, reply| !reply.is_closed());
    }

    /// An answer has come. False when nobody waits for it.
    pub(super) fn answered(&mut self, id: i32, answer: Reply) -> bool {
        self.replies.remove(&id).is_some_and(|reply| reply.send(answer).is_ok())
    }

    #[cfg(test)]
    pub(super) fn begin_behind(&mut self, id: i32) {
        self.last_id = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_wrap_and_pass_over_those_in_use() {
        let mut pending = Pending::new(8);
        let (reply, mut answer) = oneshot::channel();
        pending.wait(0, reply);
        pending.begin_behind(i32::MAX - 1);
        assert_eq!(pending.next_id(), i32::MAX);
        assert_eq!(pending.next_id(), 1);
        assert!(pending.answered(0, Err(Lost::TimedOut)));
        assert_eq!(answer.try_recv(), Ok(Err(Lost::TimedOut)));
        assert!(!pending.answered(0, Err(Lost::TimedOut)), "answered twice");
    }

    #[test]
    fn those_who_gave_up_make_room() {
        let mut pending = Pending::new(2);
        let waiting: Vec<_> = (0..2)
            .map(|id| {
                let (reply, answer) = oneshot::channel();
                pending.wait(id, reply);
                answer
            })
            .collect();
        assert!(!pending.has_room());
        drop(waiting);
        assert!(pending.has_room());
    }
}
