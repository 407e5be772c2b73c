//! (a) After the faults have stopped and everybody who was going to be evicted is, all nodes show the same list, hash and
//! content and fingerprint, and it has exactly the instances that run.

use std::collections::BTreeMap;

use super::Broken;
use crate::node::Node;
use crate::world::World;

/// What a reader sees of one record, but for the times that are each node's own.
fn content(node: &Node) -> BTreeMap<(String, String), String> {
    let line = |record: &std::sync::Arc<synod_core::registry::Record>| {
        let key = (record.instance.app.to_string(), record.instance.id.to_string());
        let times = (record.dirty_ms, record.override_ms, record.registered_ms, record.up_ms);
        let shown = (record.status, record.overridden, record.provisional);
        (key, format!("{shown:?} {times:?} {:?}", record.instance))
    };
    node.registry.snapshot().records().map(line).collect()
}

/// Checks all nodes against each other and against the truth.
pub fn check(world: &World) -> Result<(), Broken> {
    let mut nodes = world.nodes.iter();
    let Some(first) = nodes.next().and_then(Option::as_ref) else {
        return Err(Broken::new("convergence", "", "node-0 is down".to_owned()));
    };
    let (list, totals) = (content(first), first.registry.totals());
    let running = world.clients.iter().filter(|client| client.running).map(|client| &client.key);
    if let Some(key) = running.clone().find(|key| !list.contains_key(*key)) {
        let what = format!("{} {} runs but is not listed", key.0, key.1);
        return Err(Broken::new("convergence", &key.1, what));
    }
    if let Some(key) = list.keys().find(|key| !running.clone().any(|one| one == *key)) {
        return Err(Broken::new(
            "convergence",
            &key.1,
            format!("{} {} is listed but does not run", key.0, key.1),
        ));
    }
    for node in nodes.flatten() {
        let other = content(node);
        if let Some((key, line)) = list.iter().find(|(key, line)| other.get(key) != Some(line)) {
            let theirs = other.get(key).map_or("nothing", |line| line);
            let what = format!("node-0 and node-{} disagree:\n  {line}\n  {theirs}", node.number);
            return Err(Broken::new("convergence", &key.1, what));
        }
        let same = other.len() == list.len()
            && totals.hash() == node.registry.totals().hash()
            && first.registry.fingerprint() == node.registry.fingerprint();
        if !same {
            let what = format!("node-{} has another hash or fingerprint, or lists more", node.number);
            return Err(Broken::new("convergence", "", what));
        }
    }
    Ok(())
}
