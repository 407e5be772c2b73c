//! How a node answers what a peer sends: the part of the server's shell that is left when HTTP is taken away.

use synod_base::time::Now;
use synod_core::registry::Registry;
use synod_core::registry::listing::Change;
use synod_core::registry::sync::listed::Shown;
use synod_core::registry::sync::{self, Answer, Ask, Greeting, Notice, Reply};

use crate::dialect;
use crate::java::{Item, Said};

/// What servers send each other.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// News between Synod nodes.
    Batch(Vec<Notice>),
    /// News to or from a Java server.
    Eureka(Vec<Item>),
    /// A question of the comparing.
    Ask(Ask),
}

/// The answer.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    /// To [`Request::Batch`].
    Batch(Vec<Answer>),
    /// To [`Request::Eureka`].
    Eureka(Vec<Said>),
    /// To [`Request::Ask`].
    Ask(Reply),
    /// To [`Ask::List`], which the asker compares himself.
    List {
        /// As in the question.
        first: bool,
        /// The list.
        shown: Vec<Shown>,
    },
}

/// Answers as node number `own`.
pub(crate) fn serve(registry: &Registry, own: usize, request: Request, now: Now) -> (Response, Vec<Change>) {
    let ask = match request {
        Request::Batch(notices) => {
            let (answers, changes) = sync::changes(registry, notices, now);
            return (Response::Batch(answers), changes);
        }
        Request::Eureka(items) => {
            let (said, changes) = dialect::execute(registry, items, now);
            return (Response::Eureka(said), changes);
        }
        Request::Ask(ask) => ask,
    };
    let (reply, changes) = match ask {
        Ask::Hello => (Reply::Hello(Greeting::Synod { id: id_of(own), name: id_of(own) }), Vec::new()),
        Ask::Compare { fading } => (Reply::Compared(sync::compare(registry, &fading, now)), Vec::new()),
        Ask::Exchange(holdings) => {
            let (exchanged, changes) = sync::exchange(registry, &holdings, now);
            (Reply::Exchanged(exchanged), changes)
        }
        Ask::List { .. } | Ask::Look(_) => unreachable!("asked of Java peers only"),
    };
    (Response::Ask(reply), changes)
}

/// The identity of a node.
pub(crate) fn id_of(node: usize) -> Box<str> {
    format!("node-{node}").into()
}
