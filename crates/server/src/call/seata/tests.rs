//! Calls without sockets: what is put into whose queue, and what ends a call.

use synod_wire::seata::{BranchStatus, BranchType};
use tokio::sync::mpsc::error::TryRecvError;

use super::*;

fn address() -> Address {
    Address {
        resource: "r".into(),
        branch_type: BranchType::Tcc,
        application: "a".into(),
        client: "10.0.0.1:5".parse().unwrap(),
        xid_address: "h:1".into(),
    }
}

fn end(branch_id: i64) -> BranchEnd {
    BranchEnd {
        xid: "h:1:7".into(),
        branch_id,
        branch_type: BranchType::Tcc,
        resource_id: "r".into(),
        application_data: "{}".into(),
    }
}

fn answer(branch_id: i64) -> BranchEndAnswer {
    BranchEndAnswer {
        outcome: Ok(()),
        xid: "h:1:7".into(),
        branch_id,
        status: BranchStatus::PhaseTwoCommitted,
    }
}

fn rm(channels: &Channels, peer: &str) -> (Seat, mpsc::Receiver<Outgoing>) {
    let (seat, queue) = channels.enter(peer.parse().unwrap());
    seat.register_rm("a", "r,,s").unwrap();
    (seat, queue)
}

fn text(trouble: Result<BranchEndAnswer, Trouble>) -> String {
    let trouble = trouble.unwrap_err();
    assert!(!trouble.answered, "{}", trouble.text);
    trouble.text
}

#[tokio::test]
async fn an_answer_counts_whichever_connection_it_comes_over() {
    let channels = Channels::default();
    let (_seat, mut queue) = rm(&channels, "10.0.0.1:5");
    let (other, mut others) = channels.enter("10.0.0.1:6".parse().unwrap());
    let address = address();
    let telling = channels.tell(&address, Way::Forward, end(3));
    let answering = async {
        let asked = queue.recv().await.unwrap();
        assert!(matches!(&asked.message, Message::BranchCommit(end) if end.branch_id == 3));
        assert_eq!((asked.kind, others.try_recv().err()), (Kind::Request, Some(TryRecvError::Empty)));
        assert!(!other.answered(asked.id, answer(4)), "that is another branch");
        assert!(!other.answered(asked.id + 1, answer(3)), "that is another call");
        assert!(other.answered(asked.id, answer(3)));
        assert!(!other.answered(asked.id, answer(3)), "once is enough");
    };
    let (told, ()) = tokio::join!(telling, answering);
    assert_eq!(told.unwrap(), answer(3));
    assert_eq!(channels.awaited_len(), 0);
}

#[tokio::test]
async fn nobody_is_called_who_is_not_there() {
    let channels = Channels::default();
    let none = text(channels.tell(&address(), Way::Backward, end(3)).await);
    assert_eq!(none, "no RM is connected that may be told, of the resource r");
    let (seat, mut queue) = rm(&channels, "10.0.0.1:5");
    let address = address();
    let telling = channels.tell(&address, Way::Backward, end(3));
    let leaving = async {
        assert!(matches!(queue.recv().await.unwrap().message, Message::BranchRollback(_)));
        assert!(seat.is_awaiting());
        drop(seat);
    };
    let (told, ()) = tokio::join!(telling, leaving);
    assert_eq!(text(told), "the connection to the RM was closed before it answered");
    assert_eq!(channels.awaited_len(), 0);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_forgotten() {
    let channels = Channels::default();
    let (seat, mut queue) = rm(&channels, "10.0.0.1:5");
    let call = channels.send(&address(), Way::Forward, end(3)).unwrap();
    let asked = queue.recv().await.unwrap();
    drop(call);
    assert!(!seat.is_awaiting() && !seat.answered(asked.id, answer(3)));
}

#[tokio::test]
async fn a_queue_has_an_end() {
    let channels = Channels::default();
    let (seat, _queue) = rm(&channels, "10.0.0.1:5");
    let ids =
        (0..i64::try_from(QUEUE_MAX).unwrap()).map(|id| channels.send(&address(), Way::Forward, end(id)));
    let calls: Vec<Call> = ids.map(Result::unwrap).collect();
    let full = channels.tell(&address(), Way::Forward, end(3)).await;
    assert_eq!(text(full), "too much waits for the connection to the RM of r");
    assert_eq!(channels.awaited_len(), calls.len());
    let error = std::io::Error::other("too long");
    seat.unwritable(calls[0].id, &error);
    assert_eq!(channels.awaited_len(), calls.len() - 1);
}

#[test]
fn ids_are_not_given_twice() {
    let channels = Channels::default();
    let (_seat, _queue) = rm(&channels, "10.0.0.1:5");
    let first = channels.send(&address(), Way::Forward, end(1)).unwrap();
    channels.with(|inner| inner.last_id = i32::MAX - 1);
    let ids = [2, 3, 4].map(|id| channels.send(&address(), Way::Forward, end(id)).unwrap().id);
    // The second of them would be 0, the third is what the first call waits under.
    assert_eq!((first.id, ids), (1, [i32::MAX, 0, 2]));
}
