//! (f) With self-preservation on, a node that does not hear of half of the live fleet evicts nobody who lives: it is the node
//! that is cut off; unless that has lasted for the time after which protection is meant to end. That those who are really dead go once the network is mended, in bounded time, is the end of the run:
//! [`super::convergence`].
//!
//! Of half, not of 15 in 100: a heartbeat that comes twice counts twice, so that the count of those that come is up to half as
//! high again.

use synod_core::registry::{Change, ChangeKind};

use super::Broken;
use crate::plan::{Kind, WINDOW_MS};
use crate::world::World;

/// Checks a removal on node `number`.
pub fn removed(world: &World, number: usize, change: &Change) -> Result<(), Broken> {
    let Some(node) = world.nodes[number].as_ref().filter(|_| world.plan.kind == Kind::Preserve) else {
        return Ok(());
    };
    let record = &change.record;
    let (app, id) = (&record.instance.app, &record.instance.id);
    let lives = |app: &str, id: &str| {
        world.truth.get(&(app.to_owned(), id.to_owned())).is_some_and(|story| story.alive)
    };
    if change.kind != ChangeKind::Expired || record.provisional || !lives(app, id) {
        return Ok(());
    }
    let (view, _) = node.registry.preservation_view();
    if world.plan.preserve_limit_ms > 0 && view.active_ms >= world.plan.preserve_limit_ms {
        return Ok(());
    }
    let now = node.now(world.now_ms);
    let (mut live, mut silent) = (0, 0);
    for record in node.registry.snapshot().records() {
        let (app, id) = (&record.instance.app, &record.instance.id);
        let Some((_, heard)) = node.registry.told(app, id).filter(|_| lives(app, id)) else { continue };
        live += 1;
        silent += u64::from(heard.age_ms(now) > WINDOW_MS + 1_000);
    }
    // Who was just taken off is one of them.
    (live, silent) = (live + 1, silent + 1);
    if live >= LIVE_MIN && 2 * silent > live {
        let what =
            format!("node-{number} evicts {app} {id}, while it hears of {} of {live} only", live - silent);
        return Err(Broken::new("preserved", id, what));
    }
    Ok(())
}

/// Fewer are no fleet.
const LIVE_MIN: u64 = 4;
