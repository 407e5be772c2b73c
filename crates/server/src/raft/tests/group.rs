//! What a node tells of itself and of what it applies; what it says when it does not lead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::raft::AppendEntriesRequest;
use openraft::storage::RaftLogReader as _;
use openraft::{ChangeMembers, CommittedLeaderId};
use synod_replica::{ProposeError, ReadError, Role};

use super::super::types::{Entry, LogId, Payload, Peer, Vote};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_leads_and_answers() {
    let disk = MemDisk::new(1);
    let node = leader(&disk).await;
    let Role::Leader { term } = node.role() else { panic!("{:?}", node.role()) };
    assert_eq!(term, 1);
    let batch = Batch { at_ms: 77, commands: vec![Command::Reserve { below: 5 }, subscribe()] };
    let applied = node.propose(batch).await.unwrap();
    assert_eq!((applied.at_ms, applied.outcomes.len()), (77, 2));
    node.read_barrier().await.unwrap();
    let (index, stamp) = node.machine().read(|view| (view.index, view.state.stamp_ms()));
    assert_eq!((index, stamp), (applied.index, 77));
    let nothing = node.propose(Batch { at_ms: 80, commands: vec![] }).await.unwrap();
    assert_eq!((nothing.index, nothing.outcomes.len()), (0, 0), "nothing is not written");
    until("metrics", || node.metrics().applied_index == index).await;
    let metrics = node.metrics();
    assert_eq!((metrics.role, metrics.last_index, metrics.first_index), (node.role(), index, 0));
    assert!(metrics.log_bytes > 0 && metrics.disk_bytes >= metrics.log_bytes);
    let role = node.role();
    let ended = tokio::join!(node.role_after(role), node.stop()).0;
    assert_eq!((ended, node.role(), node.lead().await), (Role::Stopped, Role::Stopped, None));
    assert_eq!(node.propose(reserve(9)).await, Err(ProposeError::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn tidings_come_in_order_before_the_answer_and_hold_apply_back() {
    let disk = MemDisk::new(1);
    let (sink, mut tidings) = channel(2);
    let node = start(options(&disk, sink).0).await.unwrap();
    node.lead().await.unwrap();
    let first = node.propose(reserve(1)).await.unwrap().index;
    assert_eq!(indexes(&mut tidings), [first]);
    for below in 2..4 {
        node.propose(reserve(below)).await.unwrap();
    }
    let waiting = {
        let node = node.clone();
        crate::task::spawn("test", async move { node.propose(reserve(4)).await })
    };
    until("applied", || reserved(&node) == 4).await;
    assert!(!waiting.is_finished(), "the sink is full");
    let Some(Tidings::Applied { index, .. }) = tidings.recv().await else { panic!() };
    assert_eq!(index, first + 1);
    within("the answer", waiting).await.unwrap().unwrap();
    assert_eq!(indexes(&mut tidings), [first + 2, first + 3]);
    node.stop().await;
}

/// The leader of a group in which the other one, number 2, is never heard: nothing can be decided any more.
async fn alone_of_two(disk: &MemDisk) -> Consensus {
    let node = leader(disk).await;
    let raft = node.0.raft.clone();
    raft.add_learner(2, Peer { address: "node-2:1".into() }, false).await.unwrap();
    let both = ChangeMembers::AddVoterIds(BTreeSet::from([2]));
    crate::task::spawn("test", {
        let raft = raft.clone();
        // Without the other one this never ends well.
        async move { drop(raft.change_membership(both, true).await) }
    });
    until("membership", || {
        raft.metrics().borrow().membership_config.membership().get_joint_config().len() == 2
    })
    .await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_read_and_what_was_proposed_is_unknown() {
    let disk = MemDisk::new(1);
    let node = alone_of_two(&disk).await;
    assert_eq!(node.read_barrier().await, Err(ReadError::NoQuorum));
    let waiting = {
        let node = node.clone();
        crate::task::spawn("test", async move { node.propose(reserve(9)).await })
    };
    let raft = &node.0.raft;
    let last = || raft.metrics().borrow().last_log_index;
    let before = raft.metrics().borrow().last_applied.unwrap();
    until("logged", || last() > Some(before.index + 1)).await;

    // The other one leads now, and has not heard of it.
    let other = |index| LogId { leader_id: CommittedLeaderId::new(7, 2), index };
    let entry = Entry { log_id: other(before.index + 1), payload: Payload::Blank };
    let rpc = AppendEntriesRequest {
        vote: Vote::new_committed(7, 2),
        prev_log_id: Some(before),
        entries: vec![entry],
        leader_commit: Some(other(before.index + 1)),
    };
    raft.append_entries(rpc).await.unwrap();
    assert_eq!(within("the answer", waiting).await.unwrap(), Err(ProposeError::Unknown));
    assert_eq!(reserved(&node), 0);
    let role = Role::Follower { leader: Some(2) };
    until("role", || node.role() == role).await;
    assert_eq!(node.propose(reserve(10)).await, Err(ProposeError::NotLeader { leader: Some(2) }));
    assert_eq!(node.read_barrier().await, Err(ReadError::NotLeader { leader: Some(2) }));
    node.stop().await;

    // What the other one had written in place of it is there after a restart. The group is one of one again.
    let again = leader(&disk).await;
    assert_eq!(again.role(), Role::Leader { term: 8 });
    assert_eq!(reserved(&again), 0);
    let index = before.index + 1;
    let logged = again.0.store.clone().try_get_log_entries(index..=index).await.unwrap();
    assert_eq!(logged, [Entry { log_id: other(index), payload: Payload::Blank }]);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_node_replaces_everything() {
    let (here, there) = (MemDisk::new(1), MemDisk::new(2));
    let source = leader(&there).await;
    let batch = Batch { at_ms: 9, commands: vec![subscribe(), Command::Reserve { below: 500 }] };
    let last = source.propose(batch).await.unwrap().index;
    source.0.raft.trigger().snapshot().await.unwrap();
    until("snapshot", || source.metrics().snapshot_index == last).await;
    let mut snapshot = within("snapshot", source.0.raft.get_snapshot()).await.unwrap().unwrap();

    let (sink, mut tidings) = channel(16);
    let node = start(options(&here, sink).0).await.unwrap();
    node.lead().await.unwrap();
    reserve_all(&node, 1..4).await;
    let mine = indexes(&mut tidings);
    // As if the group had gone on without this node for long.
    let log_id = LogId { leader_id: CommittedLeaderId::new(7, 2), index: 1_000 };
    snapshot.meta.last_log_id = Some(log_id);
    let peers: BTreeMap<u64, Peer> = [1, 2, 3].map(|n| (n, Peer::default())).into();
    let membership = openraft::Membership::new(vec![peers.keys().copied().collect()], peers);
    snapshot.meta.last_membership = openraft::StoredMembership::new(Some(log_id), membership);
    node.0.raft.install_full_snapshot(Vote::new_committed(7, 2), snapshot).await.unwrap();
    until("installed", || node.machine().read(|view| view.index) == 1_000).await;
    assert_eq!(reserved(&node), 500);
    assert_eq!(node.machine().read(|view| view.state.topics().len()), 1);
    assert_eq!(
        (
            mine.len(),
            tidings.recv().await.map(|tidings| matches!(tidings, Tidings::Replaced { index: 1_000 }))
        ),
        (3, Some(true))
    );
    until("purged", || node.metrics().first_index == 1_001).await;
    node.stop().await;

    let again = try_start(&here).await.unwrap();
    assert_eq!((reserved(&again), again.machine().read(|view| view.index)), (500, 1_000));
    assert_eq!(again.0.raft.metrics().borrow().membership_config.voter_ids().count(), 3);
    again.stop().await;
    drop(Arc::clone(source.machine()));
    source.stop().await;
}
