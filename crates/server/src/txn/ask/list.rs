//! Lists, what needs attention, counts. Each looks at a limited number of transactions and says where to go on: whatever is
//! open, nobody who applies waits long.

use std::collections::BTreeSet;
use std::sync::Arc;

use synod_base::xid::Xid;
use synod_core::txn::drive::{Attempt, Pause};
use synod_core::txn::mode::Errand;
use synod_core::txn::{End, Mode, State, Status, Txn};

use super::{Desk, Stand};
use crate::txn::details::Brief;

/// Rows of a page, unless somebody says.
const PAGE: usize = 50;
/// Rows of a page at most.
const PAGE_MAX: usize = 500;
/// Transactions looked at for one page, of the open and of the ended ones each.
const LOOK_MAX: usize = 2_000;
/// Details that are read for one page.
const DETAILS_MAX: usize = 500;
/// Transactions counted under one lock.
const COUNT_MAX: usize = 5_000;

/// Which transactions.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those that have not ended, or only those that have.
    pub ended: Option<bool>,
    /// Only those that stand like this.
    pub status: Option<Status>,
    /// Only this kind.
    pub mode: Option<Mode>,
    /// Only those that people call this.
    pub name: Option<String>,
    /// Only those whose initiators' own ids begin like this.
    pub gid_prefix: Option<String>,
    /// Only those that somebody should look at.
    pub attention: bool,
    /// Only those begun before this one.
    pub before: Option<Xid>,
    /// Rows at most.
    pub limit: usize,
}

/// One transaction in a list.
#[derive(Clone, Debug)]
pub struct Row {
    /// How it stands; without its result.
    pub stand: Stand,
    /// Who takes part.
    pub branches: usize,
    /// How many of them have still to be called in the present direction.
    pub pending: usize,
    /// Whether somebody should look at it.
    pub attention: bool,
    /// The calls that fail; only where a list of those that need attention was asked for.
    pub troubles: Vec<Trouble>,
}

/// A list's beginning.
#[derive(Clone, Debug)]
pub struct Page {
    /// The newest first. They may be fewer than asked for, or none, although there are more.
    pub rows: Vec<Row>,
    /// If there may be more: all that were begun before this one.
    pub next: Option<Xid>,
}

/// A call that fails.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Whom.
    pub errand: Errand,
    /// Failed attempts in a row.
    pub failures: u32,
    /// What the last one came to.
    pub error: Box<str>,
    /// When it is tried again.
    pub next_ms: u64,
}

/// The rows of a page of which so many were asked for.
pub fn page_rows(wanted: Option<usize>) -> usize {
    wanted.unwrap_or(PAGE).clamp(1, PAGE_MAX)
}

/// What the driver knows of a transaction.
#[derive(Clone, Debug, Default)]
pub struct Driven {
    /// The calls that wait for their next attempt.
    pub troubles: Vec<Trouble>,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// The calls under way, and when each left.
    pub under_way: Vec<(Errand, u64)>,
}

/// How many there are, by mode (as in [`Mode::ALL`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active, committing, rolling back, given up.
    pub open: [[u64; 4]; Mode::ALL.len()],
    /// Committed, rolled back, stopped: those whose details are kept.
    pub ended: [[u64; 3]; Mode::ALL.len()],
    /// Open ones that somebody should look at.
    pub troubled: u64,
}

/// Some of the rows, and from where on nothing was looked at: all whose ids are less.
type Part = (Vec<Row>, Option<Xid>);

impl Filter {
    fn wants_brief(&self, brief: &Brief) -> bool {
        self.status.is_none_or(|status| status == Status::Ended(brief.end))
            && self.mode.is_none_or(|mode| mode == brief.mode)
    }

    fn wants(&self, txn: &Txn) -> bool {
        self.status.is_none_or(|status| status == txn.status)
            && self.mode.is_none_or(|mode| mode == txn.mode)
            && self.name.as_ref().is_none_or(|name| **name == *txn.name)
            && self
                .gid_prefix
                .as_ref()
                .is_none_or(|prefix| txn.gid.as_ref().is_some_and(|gid| gid.starts_with(prefix.as_str())))
    }

    /// Whether the details decide, and not only what the index knows.
    fn needs_details(&self) -> bool {
        self.name.is_some() || self.gid_prefix.is_some()
    }
}

impl Row {
    pub(super) fn new(txn: &Txn, attention: bool) -> Self {
        let pending = |branch: &&synod_core::txn::Branch| match txn.status {
            Status::Active | Status::Ended(_) => false,
            Status::Committing | Status::GivenUp => branch.forward.is_pending(),
            Status::RollingBack => branch.backward.is_pending(),
        };
        Self {
            stand: Stand { result: bytes::Bytes::new(), ..Stand::of(txn) },
            branches: txn.branches.len(),
            pending: txn.branches.iter().filter(pending).count(),
            attention: attention || waits_for_an_operator(txn),
            troubles: Vec::new(),
        }
    }
}

/// Whether nothing happens any more unless somebody looks: also after a restart, which forgets what calls came to.
fn waits_for_an_operator(txn: &Txn) -> bool {
    txn.status == Status::GivenUp || txn.is_refused()
}

/// Those ids are all that are less.
fn above(xid: Xid) -> Option<Xid> {
    Xid::from_number(xid.number() + 1)
}

/// The first rows of transactions that come with falling ids.
fn cut<'a>(
    txns: impl Iterator<Item = &'a Arc<Txn>>,
    (limit, look_max): (usize, usize),
    wanted: impl Fn(&Txn) -> bool,
    troubled: &BTreeSet<Xid>,
) -> Part {
    let mut rows = Vec::new();
    for (looked, txn) in txns.enumerate() {
        if rows.len() == limit || looked == look_max {
            return (rows, above(txn.xid));
        }
        if wanted(txn) {
            rows.push(Row::new(txn, troubled.contains(&txn.xid)));
        }
    }
    (rows, None)
}

/// Makes one page of several, each of falling ids; of a transaction that is in two of them the earlier one counts.
fn merge(parts: impl IntoIterator<Item = Part>, limit: usize) -> Page {
    let (mut rows, mut floor) = (Vec::new(), None);
    for (part, from) in parts {
        rows.extend(part);
        floor = floor.max(from);
    }
    rows.sort_by_key(|row: &Row| std::cmp::Reverse(row.stand.xid));
    rows.dedup_by_key(|row| row.stand.xid);
    // Below it one of the parts may lack something.
    rows.retain(|row| floor.is_none_or(|floor| row.stand.xid >= floor));
    if rows.len() > limit {
        rows.truncate(limit);
        floor = rows.last().map(|row| row.stand.xid);
    }
    Page { rows, next: floor }
}

impl Desk<'_> {
    /// A page of transactions, those begun last first.
    pub async fn list(&self, filter: &Filter) -> Page {
        let troubled: BTreeSet<Xid> = self.coordinator.troubled().await.into_iter().collect();
        let limit = filter.limit.clamp(1, PAGE_MAX);
        let open = match (filter.attention, filter.ended, filter.status) {
            (_, Some(true), _) | (_, _, Some(Status::Ended(_))) => Vec::new(),
            (true, ..) => self.attention(filter, limit, &troubled),
            (false, ..) => {
                let look = |state: &State| {
                    cut(state.newest(filter.before), (limit, LOOK_MAX), |txn| filter.wants(txn), &troubled)
                };
                vec![self.coordinator.read(look)]
            }
        };
        // Looked at later than the open ones: what ends meanwhile is in both rather than in neither.
        let only_open = filter.status.is_some_and(|status| !matches!(status, Status::Ended(_)));
        let ended = match filter.ended {
            Some(false) => None,
            _ if filter.attention || only_open => None,
            _ => Some(self.ended(filter, limit)),
        };
        let mut page = merge(ended.into_iter().chain(open), limit);
        if filter.attention {
            for row in &mut page.rows {
                row.troubles = self.driven(row.stand.xid).await.troubles;
            }
        }
        page
    }

    /// What the driver has trouble with, what was given up, and what was refused.
    fn attention(&self, filter: &Filter, limit: usize, troubled: &BTreeSet<Xid>) -> Vec<Part> {
        use std::ops::Bound::{Excluded, Unbounded};
        let upper = filter.before.map_or(Unbounded, Excluded);
        self.coordinator.read(|state| {
            let known = troubled.range((Unbounded, upper)).rev().filter_map(|xid| state.open(*xid));
            let known = cut(known, (limit, LOOK_MAX), |txn| filter.wants(txn), troubled);
            let waits = |txn: &Txn| waits_for_an_operator(txn) && filter.wants(txn);
            vec![known, cut(state.newest(filter.before), (limit, LOOK_MAX), waits, troubled)]
        })
    }

    fn ended(&self, filter: &Filter, limit: usize) -> Part {
        let details = self.coordinator.details();
        let (mut rows, mut before, mut read) = (Vec::new(), filter.before, 0);
        let chunk = if filter.needs_details() { DETAILS_MAX } else { limit };
        let (briefs, next) = details.page(before, chunk, LOOK_MAX, |brief| filter.wants_brief(brief));
        for brief in briefs {
            if rows.len() == limit || read == DETAILS_MAX {
                return (rows, before);
            }
            read += 1;
            before = Some(brief.xid);
            if let Some(detail) = details.get(brief.xid).filter(|detail| filter.wants(&detail.txn)) {
                rows.push(Row::new(&detail.txn, false));
            }
        }
        (rows, next)
    }

    /// What the driver knows of a transaction.
    pub async fn driven(&self, xid: Xid) -> Driven {
        let view = self.coordinator.view(xid).await;
        let now = self.coordinator.now();
        let trouble = |pause: Pause| Trouble {
            errand: pause.errand,
            failures: pause.failures,
            error: pause.error,
            next_ms: now.wall_ms + pause.due_mono.saturating_sub(now.mono_ms),
        };
        Driven {
            troubles: view.pauses.into_iter().map(trouble).collect(),
            attempts: view.attempts,
            under_way: view.under_way,
        }
    }

    /// How many there are. Not of one moment: it goes through them piece by piece.
    pub async fn count(&self) -> Counts {
        let mut counts = Counts::default();
        let mut troubled: BTreeSet<Xid> = self.coordinator.troubled().await.into_iter().collect();
        let mut before = None;
        loop {
            let last = self.coordinator.read(|state| {
                let some = state.newest(before).take(COUNT_MAX).inspect(|txn| {
                    let status = match txn.status {
                        Status::Active => 0,
                        Status::Committing => 1,
                        Status::RollingBack => 2,
                        Status::GivenUp | Status::Ended(_) => 3,
                    };
                    counts.open[place(txn.mode)][status] += 1;
                    // Whether or not its calls had failed often.
                    troubled.extend(waits_for_an_operator(txn).then_some(txn.xid));
                });
                some.last().map(|txn| txn.xid)
            });
            match last {
                None => break,
                last => before = last,
            }
            tokio::task::yield_now().await;
        }
        counts.troubled = troubled.len() as u64;
        let mut before = None;
        loop {
            let cells = std::cell::RefCell::new(&mut counts.ended);
            let (_, next) = self.coordinator.details().page(before, 1, COUNT_MAX, |brief| {
                let end = match brief.end {
                    End::Committed => 0,
                    End::RolledBack => 1,
                    End::Stopped => 2,
                };
                cells.borrow_mut()[place(brief.mode)][end] += 1;
                false
            });
            match next {
                None => return counts,
                next => before = next,
            }
            tokio::task::yield_now().await;
        }
    }
}

fn place(mode: Mode) -> usize {
    Mode::ALL.iter().position(|known| *known == mode).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, branches: usize) -> Row {
        let xid = Xid::from_number(number).unwrap();
        let stand = Stand {
            xid,
            gid: None,
            mode: None,
            name: Box::default(),
            status: Status::Active,
            reason: Box::default(),
            result: bytes::Bytes::new(),
            begun_ms: None,
            decided_ms: None,
            touched_ms: None,
        };
        Row { stand, branches, pending: 0, attention: false, troubles: Vec::new() }
    }

    fn page(parts: &[(&[u64], Option<u64>)], limit: usize) -> (Vec<u64>, Option<u64>) {
        let parts = parts.iter().enumerate().map(|(part, (numbers, from))| {
            let rows = numbers.iter().map(|number| row(*number, part)).collect();
            (rows, from.and_then(Xid::from_number))
        });
        let page = merge(parts.collect::<Vec<_>>(), limit);
        (page.rows.iter().map(|row| row.stand.xid.number()).collect(), page.next.map(Xid::number))
    }

    #[test]
    fn a_page_of_two_lists_lacks_nothing_that_is_above_its_end() {
        assert_eq!(page(&[(&[9, 5], None), (&[8, 4], None)], 9), (vec![9, 8, 5, 4], None));
        assert_eq!(page(&[(&[9, 5], None), (&[8, 5], None)], 9), (vec![9, 8, 5], None));
        assert_eq!(page(&[(&[9, 5], None), (&[8, 4], None)], 3), (vec![9, 8, 5], Some(5)));
        // The second was left off at 7: what it has below that is not known, so the first one's are for the next page.
        assert_eq!(page(&[(&[9, 5, 4], None), (&[8], Some(7))], 9), (vec![9, 8], Some(7)));
        assert_eq!(page(&[(&[9, 5, 4], Some(4)), (&[], Some(7))], 9), (vec![9], Some(7)));
        assert_eq!(page(&[(&[], Some(7)), (&[], None)], 9), (vec![], Some(7)));
    }
}
