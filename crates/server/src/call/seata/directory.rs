//! Which Seata clients are connected, as what, and which of their connections gets a branch's phase two. Plain data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use synod_wire::seata::BranchType;

use super::Address;

/// Resources of one connection at most.
const RESOURCES_MAX: usize = 10_000;

/// Names a connection; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u64);

/// A connection. `L` is what leads to it.
#[derive(Debug)]
pub(super) struct Channel<L> {
    pub(super) link: L,
    peer: SocketAddr,
    /// The name of the application whose participant it is.
    application: Option<Box<str>>,
    resources: BTreeSet<Arc<str>>,
}

/// A connection has more resources than can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {RESOURCES_MAX} resources on one connection")]
pub struct TooMany;

/// See the module.
#[derive(Debug)]
pub(super) struct Directory<L> {
    channels: BTreeMap<ChannelId, Channel<L>>,
    by_resource: HashMap<Arc<str>, BTreeSet<ChannelId>>,
    /// The youngest connection from each address; an older one cannot be alive.
    by_peer: HashMap<SocketAddr, ChannelId>,
    last: u64,
}

impl<L> Default for Directory<L> {
    fn default() -> Self {
        Self { channels: BTreeMap::new(), by_resource: HashMap::new(), by_peer: HashMap::new(), last: 0 }
    }
}

impl<L> Directory<L> {
    /// Somebody has connected.
    pub(super) fn enter(&mut self, peer: SocketAddr, link: L) -> ChannelId {
        self.last += 1;
        let id = ChannelId(self.last);
        self.channels.insert(id, Channel { link, peer, application: None, resources: BTreeSet::new() });
        self.by_peer.insert(peer, id);
        id
    }

    /// It is the participant of these resources for an application, beside those it told before. Returns those that are new for it.
    pub(super) fn register_rm<'a>(
        &mut self,
        id: ChannelId,
        application: &str,
        resources: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Arc<str>>, TooMany> {
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(Vec::new()) };
        let mut new = BTreeSet::new();
        for resource in resources.filter(|resource| !channel.resources.contains(*resource)) {
            new.insert(Arc::<str>::from(resource));
            if channel.resources.len() + new.len() > RESOURCES_MAX {
                return Err(TooMany);
            }
        }
        channel.application = Some(application.into());
        channel.resources.extend(new.iter().cloned());
        for resource in &new {
            self.by_resource.entry(Arc::clone(resource)).or_default().insert(id);
        }
        Ok(new.into_iter().collect())
    }

    /// It is no longer the participant of these.
    pub(super) fn unregister_rm<'a>(&mut self, id: ChannelId, resources: impl Iterator<Item = &'a str>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for resource in resources {
            if channel.resources.remove(resource) {
                forget(&mut self.by_resource, resource, id);
            }
        }
    }

    /// It is gone.
    pub(super) fn leave(&mut self, id: ChannelId) -> Option<L> {
        let channel = self.channels.remove(&id)?;
        for resource in &channel.resources {
            forget(&mut self.by_resource, resource, id);
        }
        if self.by_peer.get(&channel.peer) == Some(&id) {
            self.by_peer.remove(&channel.peer);
        }
        Some(channel.link)
    }

    pub(super) fn get_mut(&mut self, id: ChannelId) -> Option<&mut Channel<L>> {
        self.channels.get_mut(&id)
    }

    /// Who gets phase two of a branch (`ChannelManager#getChannel`): the connection that registered it; another of the same
    /// application and host; another of the same application; of an AT branch, whose undo log every process of its database can
    /// read, and of a state machine, whose resource names its application, any. Among equals the youngest: an old one may be dead without having been closed.
    pub(super) fn choose(&self, address: &Address) -> Option<ChannelId> {
        self.registrar(address).or_else(|| self.nearest(address))
    }

    /// The connection that registered a branch, if it still is what it was: nearly always.
    fn registrar(&self, address: &Address) -> Option<ChannelId> {
        let id = *self.by_peer.get(&address.client)?;
        let channel = self.channels.get(&id)?;
        let is_same = channel.application.as_ref() == Some(&address.application);
        (is_same && channel.resources.contains(&*address.resource)).then_some(id)
    }

    /// Whichever comes first otherwise.
    fn nearest(&self, address: &Address) -> Option<ChannelId> {
        let candidates = self.by_resource.get(&*address.resource)?;
        let any = matches!(address.branch_type, BranchType::At | BranchType::Saga);
        let rank = |id: &ChannelId| {
            let channel = self.channels.get(id)?;
            let is_same = channel.application.as_ref() == Some(&address.application);
            let rank = match () {
                () if is_same && channel.peer.ip() == address.client.ip() => 2,
                () if is_same => 1,
                () if any => 0,
                () => return None,
            };
            Some((rank, *id))
        };
        candidates.iter().filter_map(rank).max().map(|(_, id)| id)
    }

    /// Each resource, and the youngest connection that has it.
    pub(super) fn one_of_each(&self) -> impl Iterator<Item = (Arc<str>, ChannelId)> + '_ {
        self.by_resource.iter().filter_map(|(resource, channels)| {
            channels.last().map(|channel| (Arc::clone(resource), *channel))
        })
    }
}

fn forget(by_resource: &mut HashMap<Arc<str>, BTreeSet<ChannelId>>, resource: &str, id: ChannelId) {
    if let Some(channels) = by_resource.get_mut(resource) {
        channels.remove(&id);
        if channels.is_empty() {
            by_resource.remove(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(branch_type: BranchType) -> Address {
        Address {
            resource: "r".into(),
            branch_type,
            application: "a".into(),
            client: "10.0.0.1:5".parse().unwrap(),
            xid_address: "h:1".into(),
        }
    }

    /// Connects a participant.
    fn rm(directory: &mut Directory<()>, application: &str, peer: &str, resources: &[&str]) -> ChannelId {
        let id = directory.enter(peer.parse().unwrap(), ());
        directory.register_rm(id, application, resources.iter().copied()).unwrap();
        id
    }

    #[test]
    fn a_branch_goes_to_whoever_is_nearest_to_its_process() {
        let mut all = Directory::default();
        let at = address(BranchType::At);
        let tcc = address(BranchType::Tcc);
        rm(&mut all, "a", "10.0.0.1:5", &["other"]);
        assert_eq!((all.choose(&at), all.choose(&tcc)), (None, None));
        let other_application = rm(&mut all, "b", "10.0.0.1:5", &["r"]);
        assert_eq!((all.choose(&at), all.choose(&tcc)), (Some(other_application), None));
        let other_host = rm(&mut all, "a", "10.0.0.2:5", &["q", "r"]);
        assert_eq!((all.choose(&at), all.choose(&tcc)), (Some(other_host), Some(other_host)));
        let same_host = rm(&mut all, "a", "10.0.0.1:6", &["r"]);
        rm(&mut all, "a", "10.0.0.3:7", &["r"]);
        assert_eq!((all.choose(&at), all.choose(&tcc)), (Some(same_host), Some(same_host)));
        let same = rm(&mut all, "a", "10.0.0.1:5", &["r"]);
        let younger = rm(&mut all, "a", "10.0.0.1:8", &["r"]);
        assert_eq!((all.choose(&at), all.choose(&tcc)), (Some(same), Some(same)));
        all.leave(same);
        assert_eq!(all.choose(&tcc), Some(younger));
        for branch_type in [BranchType::Xa, BranchType::Tcc, BranchType::SagaAnnotation] {
            let mut others = Directory::default();
            rm(&mut others, "b", "10.0.0.1:5", &["r"]);
            assert_eq!(
                others.choose(&address(branch_type)),
                None,
                "{branch_type:?} stays in its application"
            );
        }
    }

    #[test]
    fn resources_are_added_and_taken_away() {
        let mut all = Directory::default();
        let id = all.enter("10.0.0.1:5".parse().unwrap(), ());
        let register = |all: &mut Directory<()>, resources: &[&str]| {
            let new = all.register_rm(id, "a", resources.iter().copied()).unwrap();
            new.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(register(&mut all, &["r", "s", "r"]), ["r", "s"]);
        assert_eq!(register(&mut all, &["s", "t"]), ["t"]);
        assert_eq!(all.choose(&address(BranchType::Tcc)), Some(id));
        all.unregister_rm(id, ["r", "unknown"].into_iter());
        assert_eq!(all.choose(&address(BranchType::Tcc)), None);
        assert_eq!(register(&mut all, &["r"]), ["r"]);
        assert_eq!(all.channels[&id].resources.len(), 3);
        assert_eq!(all.leave(id), Some(()));
        assert_eq!(all.leave(id), None);
        assert!(all.by_resource.is_empty(), "nothing is left behind");
    }

    #[test]
    fn resources_have_a_limit() {
        let mut all = Directory::default();
        let id = all.enter("10.0.0.1:5".parse().unwrap(), ());
        let many: Vec<String> = (0..=RESOURCES_MAX).map(|number| number.to_string()).collect();
        assert_eq!(all.register_rm(id, "a", many.iter().map(String::as_str)), Err(TooMany));
        let some = many[1..].iter().map(String::as_str);
        assert_eq!(all.register_rm(id, "a", some).unwrap().len(), RESOURCES_MAX);
        assert_eq!(all.register_rm(id, "a", ["0"].into_iter()), Err(TooMany));
        assert!(all.register_rm(id, "a", ["1"].into_iter()).unwrap().is_empty());
    }
}
