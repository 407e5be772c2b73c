//! Raft's own small things as bytes: what surrounds a batch in the log, votes, log ids, memberships. Little endian; each
//! begins with a version or tag that is never used for anything else.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes, TryGetError};
use openraft::CommittedLeaderId;

use super::types::{Entry, LogId, Membership, Payload, Peer, Proposal, SnapshotMeta, StoredMembership, Vote};

const VERSION: u8 = 1;
const BLANK: u8 = 1;
const COMMANDS: u8 = 2;
const MEMBERSHIP: u8 = 3;

/// Bytes of an entry that are not its batch.
#[cfg(test)]
const ENTRY_HEAD: usize = 1 + 16;

/// Bytes that are not what they should be. They passed the log's checksums, so another version of this program wrote them.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the end comes too early")]
    End(#[from] TryGetError),
    #[error("{0}")]
    Not(&'static str),
}

type Read<T> = Result<T, Unreadable>;

/// Appends an entry without its index, which the log knows.
pub(super) fn write_entry(to: &mut Vec<u8>, entry: &Entry) {
    to.push(match &entry.payload {
        Payload::Blank => BLANK,
        Payload::Normal(_) => COMMANDS,
        Payload::Membership(_) => MEMBERSHIP,
    });
    write_leader(to, entry.log_id.leader_id);
    match &entry.payload {
        Payload::Blank => {}
        Payload::Normal(proposal) => to.extend_from_slice(&proposal.bytes),
        Payload::Membership(membership) => write_membership(to, membership),
    }
}

/// Reads an entry. Its batch shares the memory of `bytes`.
pub(super) fn read_entry(index: u64, mut bytes: Bytes) -> Read<Entry> {
    let tag = bytes.try_get_u8()?;
    let log_id = LogId { leader_id: read_leader(&mut bytes)?, index };
    let payload = match tag {
        COMMANDS => return Ok(Entry { log_id, payload: Payload::Normal(Proposal::read(bytes)) }),
        BLANK => Payload::Blank,
        MEMBERSHIP => Payload::Membership(read_membership(&mut bytes)?),
        _ => return Err(Unreadable::Not("an entry of a kind that is not known here")),
    };
    end(&bytes)?;
    Ok(Entry { log_id, payload })
}

pub(super) fn vote(vote: &Vote) -> Vec<u8> {
    let mut to = vec![VERSION, u8::from(vote.committed)];
    write_leader(&mut to, vote.leader_id);
    to
}

pub(super) fn read_vote(mut bytes: Bytes) -> Read<Vote> {
    version(&mut bytes)?;
    let committed = read_flag(&mut bytes)?;
    let leader_id = read_leader(&mut bytes)?;
    end(&bytes)?;
    Ok(Vote { leader_id, committed })
}

pub(super) fn log_id(log_id: Option<LogId>) -> Vec<u8> {
    let mut to = vec![VERSION];
    write_log_id(&mut to, log_id);
    to
}

pub(super) fn read_log_id_slot(mut bytes: Bytes) -> Read<Option<LogId>> {
    version(&mut bytes)?;
    let log_id = read_log_id(&mut bytes)?;
    end(&bytes)?;
    Ok(log_id)
}

pub(super) fn snapshot_meta(meta: &SnapshotMeta) -> Vec<u8> {
    let mut to = vec![VERSION];
    write_log_id(&mut to, meta.last_log_id);
    write_log_id(&mut to, *meta.last_membership.log_id());
    write_membership(&mut to, meta.last_membership.membership());
    write_text(&mut to, &meta.snapshot_id);
    to
}

pub(super) fn read_snapshot_meta(mut bytes: Bytes) -> Read<SnapshotMeta> {
    let from = &mut bytes;
    version(from)?;
    let last_log_id = read_log_id(from)?;
    let last_membership = StoredMembership::new(read_log_id(from)?, read_membership(from)?);
    let snapshot_id = read_text(from)?;
    end(from)?;
    Ok(SnapshotMeta { last_log_id, last_membership, snapshot_id })
}

fn version(from: &mut Bytes) -> Read<()> {
    if from.try_get_u8()? == VERSION {
        Ok(())
    } else {
        Err(Unreadable::Not("a version that is not known here"))
    }
}

fn end(from: &Bytes) -> Read<()> {
    if from.is_empty() { Ok(()) } else { Err(Unreadable::Not("something follows the end")) }
}

fn read_flag(from: &mut Bytes) -> Read<bool> {
    match from.try_get_u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Unreadable::Not("a flag is neither 0 nor 1")),
    }
}

fn write_leader(to: &mut Vec<u8>, leader: CommittedLeaderId<u64>) {
    to.extend_from_slice(&leader.term.to_le_bytes());
    to.extend_from_slice(&leader.node_id.to_le_bytes());
}

fn read_leader(from: &mut Bytes) -> Read<CommittedLeaderId<u64>> {
    Ok(CommittedLeaderId::new(from.try_get_u64_le()?, from.try_get_u64_le()?))
}

fn write_log_id(to: &mut Vec<u8>, log_id: Option<LogId>) {
    to.push(u8::from(log_id.is_some()));
    if let Some(log_id) = log_id {
        write_leader(to, log_id.leader_id);
        to.extend_from_slice(&log_id.index.to_le_bytes());
    }
}

fn read_log_id(from: &mut Bytes) -> Read<Option<LogId>> {
    if !read_flag(from)? {
        return Ok(None);
    }
    Ok(Some(LogId { leader_id: read_leader(from)?, index: from.try_get_u64_le()? }))
}

fn write_text(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

fn read_text(from: &mut Bytes) -> Read<String> {
    let len = from.try_get_u32_le()? as usize;
    if len > from.len() {
        return Err(Unreadable::Not("a length is beyond the end"));
    }
    let text = from.split_to(len);
    String::from_utf8(text.into()).map_err(|_| Unreadable::Not("a text is not UTF-8"))
}

fn write_membership(to: &mut Vec<u8>, membership: &Membership) {
    let configs = membership.get_joint_config();
    to.extend_from_slice(&(configs.len() as u32).to_le_bytes());
    for config in configs {
        to.extend_from_slice(&(config.len() as u32).to_le_bytes());
        config.iter().for_each(|id| to.extend_from_slice(&id.to_le_bytes()));
    }
    to.extend_from_slice(&(membership.nodes().count() as u32).to_le_bytes());
    for (id, peer) in membership.nodes() {
        to.extend_from_slice(&id.to_le_bytes());
        write_text(to, &peer.address);
    }
}

fn read_membership(from: &mut Bytes) -> Read<Membership> {
    let mut configs = Vec::new();
    for _ in 0..from.try_get_u32_le()? {
        let len = from.try_get_u32_le()?;
        configs.push((0..len).map(|_| Ok(from.try_get_u64_le()?)).collect::<Read<BTreeSet<u64>>>()?);
    }
    let len = from.try_get_u32_le()?;
    let node = |from: &mut Bytes| Ok((from.try_get_u64_le()?, Peer { address: read_text(from)? }));
    let nodes = (0..len).map(|_| node(from)).collect::<Read<BTreeMap<u64, Peer>>>()?;
    Ok(Membership::new(configs, nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_log_id(index: u64) -> LogId {
        LogId { leader_id: CommittedLeaderId::new(7, 9), index }
    }

    fn some_membership() -> Membership {
        let peer = |n: u64| (n, Peer { address: format!("node-{n}:8763") });
        let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, u64::MAX])];
        Membership::new(configs, [1, 2, 3, u64::MAX, 50].map(peer).into_iter().collect::<BTreeMap<_, _>>())
    }

    fn no_part<T: std::fmt::Debug>(bytes: &[u8], read: impl Fn(Bytes) -> Read<T>) {
        for len in 0..bytes.len() {
            read(Bytes::copy_from_slice(&bytes[..len])).unwrap_err();
        }
    }

    /// Every prefix is refused, and so is one byte more.
    fn only_whole<T: std::fmt::Debug>(bytes: &[u8], read: impl Fn(Bytes) -> Read<T>) {
        no_part(bytes, &read);
        read(Bytes::from([bytes, b"x"].concat())).unwrap_err();
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let payloads = [
            Payload::Blank,
            Payload::Normal(Proposal::read(Bytes::from_static(b"batch"))),
            Payload::Membership(some_membership()),
        ];
        for payload in payloads {
            let entry = Entry { log_id: some_log_id(5), payload };
            let mut bytes = Vec::new();
            write_entry(&mut bytes, &entry);
            assert_eq!(read_entry(5, bytes.clone().into()).unwrap(), entry);
            if matches!(entry.payload, Payload::Normal(_)) {
                assert_eq!(bytes.len(), ENTRY_HEAD + 5);
                no_part(&bytes[..ENTRY_HEAD], |bytes| read_entry(5, bytes));
            } else {
                only_whole(&bytes, |bytes| read_entry(5, bytes));
            }
        }
        read_entry(5, Bytes::from(vec![9; 40])).unwrap_err();
    }

    #[test]
    fn slots_and_meta_come_back_as_they_were() {
        for committed in [false, true] {
            let mut written = Vote::new(3, u64::MAX);
            written.committed = committed;
            assert_eq!(read_vote(vote(&written).into()).unwrap(), written);
            only_whole(&vote(&written), read_vote);
        }
        for written in [None, Some(some_log_id(0))] {
            assert_eq!(read_log_id_slot(log_id(written).into()).unwrap(), written);
            only_whole(&log_id(written), read_log_id_slot);
        }
        let meta = SnapshotMeta {
            last_log_id: Some(some_log_id(12)),
            last_membership: StoredMembership::new(Some(some_log_id(2)), some_membership()),
            snapshot_id: "7-9-12".into(),
        };
        assert_eq!(read_snapshot_meta(snapshot_meta(&meta).into()).unwrap(), meta);
        only_whole(&snapshot_meta(&meta), read_snapshot_meta);
    }
}
