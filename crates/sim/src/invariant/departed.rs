//! (c) Who left, or fell silent, is listed nowhere once two leases are over; counted from the last sign of life that any
//! node took, or from the leave or death if that was later. Two seconds are for the ticks that find it.
//!
//! Who left is gone sooner where nothing stands in the way: if all nodes ran and could reach each other since well before
//! the leave, and no other node dealt with the instance at about that time (an override that is set there meanwhile
//! outranks the leave), no node lists it any more once the news must have come through. Late and repeated messages from
//! before the leave must not bring it back.
//!
//! A provisional record is gone one lease after its node started, unless somebody confirmed it.
//!
//! Where nodes stand still, a last heartbeat may lie in a socket for that long, and a node that stood still gives all leases
//! that time. Where self-preservation holds, or a Java server takes part, nothing is claimed but of the end of the run:
//! [`super::convergence`].

use super::Broken;
use crate::plan::{Kind, WINDOW_MS};
use crate::truth::Story;
use crate::world::World;

const TICKS_MS: u64 = 2_000;
/// For so long after the window that a stall is in, a lease that it prolonged may go unlooked at.
const COMPENSATED_MS: u64 = 7_000;

/// Checks a node's list.
pub fn check(world: &World, number: usize) -> Result<(), Broken> {
    let Some(node) = world.nodes[number].as_ref().filter(|_| !world.plan.kind.has_java()) else {
        return Ok(());
    };
    let now_ms = world.now_ms;
    let recently_ms = now_ms.saturating_sub(WINDOW_MS + COMPENSATED_MS);
    let given_ms: u64 = world.stalls[number]
        .iter()
        .filter(|stall| stall.until_ms > recently_ms)
        .map(|stall| stall.until_ms - stall.from_ms)
        .sum();
    for record in node.registry.snapshot().records() {
        let (app, id) = (&record.instance.app, &record.instance.id);
        let story = world.truth.get(&(app.to_string(), id.to_string()));
        let silent_ms = story.and_then(Story::silent_since_ms);
        let limit_ms = match (record.provisional, silent_ms) {
            (true, _) => node.started_ms + world.plan.lease_ms() + TICKS_MS,
            (false, Some(silent_ms)) => {
                silent_ms + 2 * world.plan.lease_ms() + TICKS_MS + world.held_up_ms(silent_ms)
            }
            (false, None) => continue,
        } + given_ms;
        if !record.provisional && story.is_some_and(|story| is_known_to_have_left(world, story)) {
            let what = format!("node-{number} lists {app} {id}, which has left");
            return Err(Broken::new("departed", id, what));
        }
        if now_ms > limit_ms && world.plan.kind != Kind::Preserve {
            let what = format!("node-{number} still lists {app} {id}, {} ms too long", now_ms - limit_ms);
            return Err(Broken::new("departed", id, what));
        }
    }
    Ok(())
}

fn is_known_to_have_left(world: &World, story: &Story) -> bool {
    let (Some((left_ms, node)), false) = (story.left, story.alive) else { return false };
    let reach_ms = world.plan.reach_ms();
    let quiet_ms = left_ms.saturating_sub(reach_ms);
    let mut nearby = story.signs.iter().filter(|sign| sign.at_ms >= quiet_ms);
    world.is_undisturbed_since(quiet_ms)
        && nearby.all(|sign| sign.at_ms <= left_ms && sign.node == node)
        && world.now_ms > left_ms + world.plan.quick_ms().unwrap_or(reach_ms)
}
