//! (b) A live instance is neither taken off nor missing nor shown in an earlier version at a node while its renewals arrive
//! at a node from which news get through.
//!
//! Precisely: a node J may not remove, and has to list, a running instance of which a node I (which may be J) took a sign
//! of life of this run of it at a time T such that
//!
//! - T is not longer ago than one lease, and I has been running since,
//! - both directions between I and J have been open, and J running, for long enough before now and since T
//!   ([`crate::plan::Plan::reach_ms`], twice of it where J may have to ask for the record first).
//!
//! Where I and J cannot reach each other, a third node K may know both ways: J asks around for its fading leases. That is
//! claimed if the wall clocks differ by less than [`BRIDGED_SKEW_MS_MAX`], for such hearsay is named by wall time, and if
//! there was a full round of comparing on top of all that.
//!
//! Where nothing is lost and nothing was cut or restarted since well before T, it has to be listed at every node as soon as
//! messages need for that ([`crate::plan::Plan::quick_ms`]).
//!
//! A node that stands still hears nobody, and what it had heard does not grow old meanwhile: who was heard of in time when
//! it stopped is kept when it goes on, for as long as the lease had still to run.
//!
//! A Java server's news have no age and no version but `lastDirtyTimestamp`: beside one, a live instance may be cancelled or
//! shown as it was. What is claimed there is that no lease runs out of which a Synod node hears, and that news get through
//! among Synod nodes.
//!
//! During a partition nothing is claimed of the nodes on the other side: they cannot know. Nor of one-way cuts: a node
//! that cannot answer cannot be told anything over HTTP.

use synod_core::registry::{Change, ChangeKind};

use super::Broken;
use crate::plan::WINDOW_MS;
use crate::truth::{Key, Sign, Story};
use crate::world::{Stall, World};

/// A stall of less is not told from a tick that comes late, and of a longer one so much is not made up for.
const STALL_MS_MIN: u64 = 3_000;

/// See the module.
const BRIDGED_SKEW_MS_MAX: u64 = 1_000;

/// Checks a removal on node `number`.
pub fn removed(world: &World, number: usize, change: &Change) -> Result<(), Broken> {
    let record = &change.record;
    let key = (record.instance.app.to_string(), record.instance.id.to_string());
    let Some(story) = world.truth.get(&key).filter(|story| story.alive) else { return Ok(()) };
    // What is taken off may be an earlier life of the instance.
    if record.dirty_ms < story.born_dirty_ms || record.provisional {
        return Ok(());
    }
    if world.plan.kind.has_java() && change.kind != ChangeKind::Expired {
        return Ok(());
    }
    match witness(world, number, story, world.plan.reach_ms()).or(heard_before_a_stall(world, number, story))
    {
        Some(sign) => Err(broken(world, number, &key, sign, "took off")),
        None => Ok(()),
    }
}

/// Checks that nobody is missing on node `number`, or shown as he was before.
pub fn missing(world: &World, number: usize) -> Result<(), Broken> {
    let Some(node) = world.nodes[number].as_ref().filter(|_| !world.plan.kind.has_java()) else {
        return Ok(());
    };
    for (key, story) in world.truth.iter().filter(|(_, story)| story.alive) {
        let witness = witness(world, number, story, 2 * world.plan.reach_ms());
        let Some(sign) = quick_witness(world, story).or(witness) else { continue };
        match node.registry.find(&key.0, &key.1, node.now(world.now_ms)) {
            None => return Err(broken(world, number, key, sign, "does not list")),
            Some(found) if found.record.dirty_ms < sign.dirty_ms => {
                return Err(broken(world, number, key, sign, "shows an earlier version"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A sign of life that node `number` must have learnt of by now.
fn witness(world: &World, number: usize, story: &Story, reach_ms: u64) -> Option<Sign> {
    let must_know = |sign: &&Sign| {
        let alive = world.is_node_alive(sign.node, sign.life);
        let in_lease = sign.at_ms + world.plan.lease_ms() > world.now_ms;
        let of_this_life = sign.dirty_ms >= story.born_dirty_ms;
        let told = sign.node == number || is_told(world, sign, number, reach_ms);
        alive && in_lease && of_this_life && told
    };
    story.signs.iter().rev().find(must_know).copied()
}

/// A sign of life that every node must have learnt of, because nothing has stood in the way since well before.
fn quick_witness(world: &World, story: &Story) -> Option<Sign> {
    let quick_ms = world.plan.quick_ms()?;
    let must_be_known = |sign: &&Sign| {
        sign.at_ms + quick_ms <= world.now_ms
            && sign.at_ms + world.plan.lease_ms() > world.now_ms
            && sign.dirty_ms >= story.born_dirty_ms
            && world.is_undisturbed_since(sign.at_ms.saturating_sub(world.plan.reach_ms()))
    };
    story.signs.iter().rev().find(must_be_known).copied()
}

/// Whether news of a sign must have come to node `number`, straight or through a third node.
fn is_told(world: &World, sign: &Sign, number: usize, reach_ms: u64) -> bool {
    let passed = |since_ms: u64, takes_ms: u64| world.now_ms >= since_ms.max(sign.at_ms) + takes_ms;
    if world.open_since(sign.node, number).is_some_and(|since_ms| passed(since_ms, reach_ms)) {
        return true;
    }
    let round_ms = world.plan.sync_ms * 5 / 4 + 2 * reach_ms;
    world.plan.skew_ms_max < BRIDGED_SKEW_MS_MAX
        && (0..world.nodes.len()).filter(|third| ![sign.node, number].contains(third)).any(|third| {
            let ways = world.open_since(sign.node, third).zip(world.open_since(third, number));
            ways.is_some_and(|(first_ms, second_ms)| passed(first_ms.max(second_ms), round_ms))
        })
}

/// A sign of life that node `number` must have learnt of before it last stood still, and which counts for longer by that.
fn heard_before_a_stall(world: &World, number: usize, story: &Story) -> Option<Sign> {
    let Stall { from_ms, until_ms } = world.stalls[number].last()?;
    if world.now_ms > until_ms + WINDOW_MS / 2 {
        return None;
    }
    let extra_ms = (until_ms - from_ms).saturating_sub(STALL_MS_MIN);
    let must_have_known = |sign: &&Sign| {
        let own = sign.node == number;
        let told_ms = sign.at_ms + if own { 0 } else { world.plan.reach_ms() };
        let open_since = world.net.open_since(sign.node, number);
        world.is_node_alive(sign.node, sign.life)
            && sign.dirty_ms >= story.born_dirty_ms
            && (own || open_since.is_some_and(|open_ms| open_ms <= sign.at_ms))
            && told_ms <= *from_ms
            && [sign.node, number].iter().all(|one| world.stood_still_ms(*one, sign.at_ms, *from_ms) == 0)
            && sign.at_ms + world.plan.lease_ms() + extra_ms > world.now_ms
    };
    story.signs.iter().rev().find(must_have_known).copied()
}

fn broken(world: &World, number: usize, key: &Key, sign: Sign, did: &str) -> Broken {
    let Sign { at_ms, node, .. } = sign;
    let ago = world.now_ms - at_ms;
    let what = format!("node-{number} {did} {} {}, of which node-{node} heard {ago} ms ago", key.0, key.1);
    Broken::new("eviction", &key.1, what)
}
