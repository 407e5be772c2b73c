//! (e) At each node, after every step: the hash, the counts and the fingerprint are those of the content, nobody is listed
//! twice, and no record is of a later version than the list.

use std::collections::{BTreeMap, BTreeSet};

use super::Broken;
use crate::node::Node;

/// Checks a node's list.
pub fn check(node: &Node) -> Result<(), Broken> {
    let snapshot = node.registry.snapshot();
    let mut counts = BTreeMap::new();
    let mut keys = BTreeSet::new();
    let mut confirmed = 0;
    for record in snapshot.records() {
        *counts.entry(record.status.as_str()).or_insert(0) += 1;
        confirmed += u32::from(!record.provisional);
        if !keys.insert((&record.instance.app, &record.instance.id)) || record.version > snapshot.version {
            let what = format!("node-{} lists it twice or in a future version", node.number);
            return Err(Broken::new("hash", &record.instance.id, what));
        }
    }
    let hash: String = counts.iter().map(|(status, count)| format!("{status}_{count}_")).collect();
    let fingerprint: u32 = node.registry.fingerprint().iter().map(|bucket| bucket.count).sum();
    if hash != snapshot.totals.hash() || fingerprint != confirmed {
        let told = snapshot.totals.hash();
        let what = format!(
            "node-{} says {told}, lists {hash}; fingerprint of {fingerprint}/{confirmed}",
            node.number
        );
        return Err(Broken::new("hash", "", what));
    }
    Ok(())
}
