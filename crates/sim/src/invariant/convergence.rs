//! (a) After the faults have stopped and everybody who was going to be evicted is, all servers list exactly the instances
//! that run, each with the same status, override and dirty timestamp; and Synod nodes have the same hash, content and
//! fingerprint.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_core::registry::Record;

use super::Broken;
use crate::java::Java;
use crate::java::registry::Info;
use crate::node::Node;
use crate::plan::Kind;
use crate::truth::Key;
use crate::world::World;

/// What a reader sees of one record, but for the times that are each node's own.
fn content(node: &Node) -> BTreeMap<Key, String> {
    let line = |record: &Arc<Record>| {
        let key = (record.instance.app.to_string(), record.instance.id.to_string());
        let times = (record.dirty_ms, record.override_ms, record.registered_ms, record.up_ms);
        let shown = (record.status, record.overridden, record.provisional);
        (key, format!("{shown:?} {times:?} {:?}", record.instance))
    };
    node.registry.snapshot().records().map(line).collect()
}

/// What a reader of any server sees of one record, whatever kind of server it is.
fn essence(world: &World) -> Vec<(String, BTreeMap<Key, String>)> {
    let line = |status, overridden, dirty_ms| format!("{status} override {overridden} dirty {dirty_ms}");
    let of_node = |node: &Node| {
        let snapshot = node.registry.snapshot();
        let one = |record: &Arc<Record>| {
            let key = (record.instance.app.to_string(), record.instance.id.to_string());
            (key, line(record.status, record.overridden, record.dirty_ms))
        };
        (world.name(node.number), snapshot.records().map(one).collect())
    };
    let of_java = |java: &Java| {
        let one =
            |(key, info): (&Key, Info)| (key.clone(), line(info.status, info.overridden, info.dirty_ms));
        (world.name(java.number), java.registry.infos().map(one).collect())
    };
    let nodes = world.nodes.iter().flatten().map(of_node);
    nodes.chain(world.javas.iter().flatten().map(of_java)).collect()
}

/// Checks all servers against each other and against the truth.
pub fn check(world: &World) -> Result<(), Broken> {
    let essences = essence(world);
    if essences.len() < world.plan.servers() {
        return Err(Broken::new("convergence", "", "a server is down".to_owned()));
    }
    let running = world.clients.iter().filter(|client| client.running).map(|client| &client.key);
    let (first, list) = &essences[0];
    for (name, other) in &essences {
        if let Some(key) = running.clone().find(|key| !other.contains_key(*key)) {
            let what = format!("{} {} runs but is not listed by {name}", key.0, key.1);
            return Err(Broken::new("convergence", &key.1, what));
        }
        if let Some(key) = other.keys().find(|key| !running.clone().any(|one| one == *key)) {
            let what = format!("{} {} is listed by {name} but does not run", key.0, key.1);
            return Err(Broken::new("convergence", &key.1, what));
        }
        if let Some((key, line)) = list.iter().find(|(key, line)| other.get(key) != Some(line)) {
            let what = format!("{first} has {} {} as {line}, {name} as {}", key.0, key.1, other[key]);
            return Err(Broken::new("convergence", &key.1, what));
        }
    }
    // Where nodes compare nothing, each goes by what the Java server told it.
    if world.plan.kind == Kind::Calm { Ok(()) } else { same(world) }
}

/// Checks that Synod nodes have the very same.
fn same(world: &World) -> Result<(), Broken> {
    let mut nodes = world.nodes.iter().flatten();
    let Some(first) = nodes.next() else { return Ok(()) };
    let (list, totals) = (content(first), first.registry.totals());
    for node in nodes {
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
