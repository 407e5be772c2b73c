//! (d) What a node takes for the last sign of life of an instance is none that never was: it is not later than the last
//! that any node really got from the client, but for the time that messages are under way. So neither comparing nor
//! repeating nor telling on makes a lease longer.
//!
//! A provisional record is left out: it has a lease of its own, once, from the restart on. So is everything beside a Java
//! server, whose heartbeats and conflicts do not say how old they are. A message that lay in the sockets of a server that
//! stood still is under way for that long.

use super::Broken;
use crate::world::World;

/// Checks all leases of a node.
pub fn check(world: &World, number: usize) -> Result<(), Broken> {
    let Some(node) = world.nodes[number].as_ref().filter(|_| !world.plan.kind.has_java()) else {
        return Ok(());
    };
    let now = node.now(world.now_ms);
    for record in node.registry.snapshot().records().filter(|record| !record.provisional) {
        let (app, id) = (&record.instance.app, &record.instance.id);
        let Some((_, heard)) = node.registry.told(app, id) else { continue };
        let heard_ms = world.now_ms.saturating_sub(heard.age_ms(now));
        let story = world.truth.get(&(app.to_string(), id.to_string()));
        let last_ms = story.and_then(crate::truth::Story::last_sign_ms).unwrap_or(0);
        if heard_ms > last_ms + world.plan.transit_ms() + world.held_up_ms(last_ms) {
            let what = format!(
                "node-{number} thinks {app} {id} was heard of at {heard_ms} ms, but that was at {last_ms} ms"
            );
            return Err(Broken::new("lease", id, what));
        }
    }
    Ok(())
}
