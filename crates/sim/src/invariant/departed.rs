//! (c) Who left, or fell silent, is listed nowhere once two leases are over; counted from the last sign of life that any
//! node took, or from the leave or death if that was later. Two seconds are for the ticks that find it.
//!
//! A provisional record is gone one lease after its node started, unless somebody confirmed it.

use super::Broken;
use crate::world::World;

const TICKS_MS: u64 = 2_000;

/// Checks a node's list.
pub fn check(world: &World, number: usize) -> Result<(), Broken> {
    let Some(node) = &world.nodes[number] else { return Ok(()) };
    let now_ms = world.now_ms;
    for record in node.registry.snapshot().records() {
        let (app, id) = (&record.instance.app, &record.instance.id);
        let story = world.truth.get(&(app.to_string(), id.to_string()));
        let silent_ms = story.and_then(crate::truth::Story::silent_since_ms);
        let limit_ms = match (record.provisional, silent_ms) {
            (true, _) => node.started_ms + world.plan.lease_ms() + TICKS_MS,
            (false, Some(silent_ms)) => silent_ms + 2 * world.plan.lease_ms() + TICKS_MS,
            (false, None) => continue,
        };
        if now_ms > limit_ms {
            let what = format!("node-{number} still lists {app} {id}, {} ms too long", now_ms - limit_ms);
            return Err(Broken::new("departed", id, what));
        }
    }
    Ok(())
}
