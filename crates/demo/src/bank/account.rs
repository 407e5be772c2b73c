//! The accounts, and their steps. The barrier's row of a step is in the local transaction that does the step's work: a step
//! that is asked for twice happens once, a step back whose step forward never came is harmless, and that step forward is
//! impossible when it comes late.

use synod_client::sql::sqlx::Pool;
use synod_client::sql::{Barrier, Entry, Key, Op, Ran};

use super::change::Change;
use super::posting::{NotDone, Posting, Said, Side};
use super::report::{Kind, tell};
use super::vault::{Vault, post};
use crate::mode::Mode;

/// One side of the accounts, in one mode.
#[derive(Debug)]
pub(super) struct Account<DB: Vault> {
    pub(super) pool: Pool<DB>,
    pub(super) mode: Mode,
    pub(super) side: Side,
}

impl<DB: Vault> Account<DB> {
    /// Does a step, once, and tells of it.
    pub(super) async fn step(&self, key: Key<'_>, op: Op, posting: Posting) -> Said {
        let said = self.try_step(key, op, posting).await;
        told(&self.point(op), said)
    }

    /// What a step is called here.
    pub(super) fn point(&self, op: Op) -> String {
        format!("{}/{}/{}", self.mode.as_str(), self.side.as_str(), op.as_str())
    }

    async fn try_step(&self, key: Key<'_>, op: Op, posting: Posting) -> Said {
        let change = Change::of(self.side, op).ok_or_else(|| NotDone::failed("this step changes nothing"))?;
        let ran = Barrier.run(&self.pool, key, op, async |tx| post(tx, change, posting).await).await?;
        match ran {
            Ran::Done(words) => Ok(words),
            Ran::Skipped(entry) => skipped(entry, op),
        }
    }
}

/// What is said of a step that was not done.
pub(super) fn skipped(entry: Entry, op: Op) -> Said {
    match entry {
        Entry::Fresh | Entry::Repeated => Ok("has done that before: does nothing".to_owned()),
        Entry::Empty => {
            let undone = op.undoes().map_or("", Op::as_str);
            Ok(format!("there was no {undone}: does nothing, and takes none any more"))
        }
        Entry::TooLate => Err(NotDone::refused("it was undone before it came")),
    }
}

/// Tells how a step went.
pub(super) fn told(point: &str, said: Said) -> Said {
    match &said {
        Ok(words) => tell(Kind::Done, point, words),
        Err(error @ NotDone::Refused(_)) => tell(Kind::Refused, point, error.to_string()),
        Err(error @ NotDone::Failed(_)) => tell(Kind::Failed, point, error.to_string()),
    }
    said
}
