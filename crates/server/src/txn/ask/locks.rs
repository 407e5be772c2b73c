//! Rows that transactions hold, and who waits for whom. As with lists, a page looks at a limited number of transactions.

use std::sync::Arc;

use synod_base::xid::Xid;
use synod_core::txn::{Rows, State, Status, Txn};

use super::Desk;

/// Rows of a page at most.
const PAGE_MAX: usize = 500;
/// Transactions looked at for one page.
const LOOK_MAX: usize = 2_000;

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct LockFilter {
    /// Only those of this transaction.
    pub xid: Option<Xid>,
    /// Only those of databases whose names contain this.
    pub resource: Option<String>,
    /// Only those of tables whose names contain this.
    pub table: Option<String>,
    /// Only those with this key.
    pub key: Option<String>,
    /// Only from here on.
    pub from: Option<Place>,
    /// Rows at most.
    pub limit: usize,
}

/// A place in the list of all rows: behind so many of a transaction's, followed by those of all that were begun before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The transaction.
    pub xid: Xid,
    /// Rows of it.
    pub rows: usize,
}

/// A row that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRow {
    /// By whom.
    pub xid: Xid,
    /// What people call the transaction.
    pub name: Box<str>,
    /// How the transaction stands.
    pub status: Status,
    /// The branch, by its place.
    pub number: u16,
    /// The branch, by the id by which the participant knows it.
    pub branch: Box<str>,
    /// The database.
    pub resource: Box<str>,
    /// The table.
    pub table: Box<str>,
    /// The key in the table.
    pub key: Box<str>,
    /// Since when.
    pub since_ms: u64,
}

/// A list's beginning.
#[derive(Clone, Debug, Default)]
pub struct LockPage {
    /// Those of the transactions that were begun last first. They may be fewer than asked for, or none, although there are more.
    pub rows: Vec<LockRow>,
    /// If there may be more: from here on.
    pub next: Option<Place>,
    /// Rows that are held in all, whatever was asked for.
    pub held: usize,
}

/// Somebody who was refused a row.
#[derive(Clone, Debug)]
pub struct WaitRow {
    /// Who, and what people call it; of one that has ended the name is not known.
    pub waiter: (Xid, Option<Box<str>>),
    /// Because of whom.
    pub holder: (Xid, Option<Box<str>>),
    /// The database.
    pub resource: Box<str>,
    /// The table.
    pub table: Box<str>,
    /// The key in the table.
    pub key: Box<str>,
    /// How often.
    pub count: u64,
    /// When for the first time.
    pub first_ms: u64,
    /// When for the last time.
    pub last_ms: u64,
    /// Whether it may still be waiting: neither of them has come to its end.
    pub waiting: bool,
}

impl Place {
    /// The first place of all below an id, itself included.
    fn below(xid: Xid) -> Self {
        Self { xid, rows: 0 }
    }
}

impl LockFilter {
    fn wants(&self, row: &LockRow) -> bool {
        let contains =
            |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|part| text.contains(part));
        contains(&self.resource, &row.resource)
            && contains(&self.table, &row.table)
            && self.key.as_deref().is_none_or(|key| *key == *row.key)
    }

    /// The transaction that alone can have what is asked for. Looked up, not looked for: a row is found among a million.
    fn only(&self, state: &State) -> Option<Xid> {
        let (Some(resource), Some(table), Some(key)) = (&self.resource, &self.table, &self.key) else {
            return self.xid;
        };
        let rows = Rows { resource: resource.as_str().into(), keys: format!("{table}:{key}").into() };
        self.xid.or_else(|| state.holder(&rows))
    }

    /// Transactions to be looked at, and whether there may be more.
    fn candidates(&self, state: &State) -> (Vec<Arc<Txn>>, bool) {
        if let Some(xid) = self.only(state) {
            return (state.open(xid).into_iter().cloned().collect(), false);
        }
        let before = self.from.and_then(|place| Xid::from_number(place.xid.number() + 1));
        let mut txns: Vec<Arc<Txn>> = state.newest(before).take(LOOK_MAX + 1).cloned().collect();
        let more = txns.len() > LOOK_MAX;
        txns.truncate(LOOK_MAX);
        (txns, more)
    }

    fn page(&self, (txns, more): (Vec<Arc<Txn>>, bool), held: usize) -> LockPage {
        let limit = self.limit.clamp(1, PAGE_MAX);
        let mut rows = Vec::new();
        for txn in &txns {
            let skip = self.from.filter(|place| place.xid == txn.xid).map_or(0, |place| place.rows);
            for (at, row) in held_rows(txn).enumerate().skip(skip) {
                if !self.wants(&row) {
                    continue;
                }
                if rows.len() == limit {
                    return LockPage { rows, next: Some(Place { xid: txn.xid, rows: at }), held };
                }
                rows.push(row);
            }
        }
        let last = txns.last().filter(|_| more);
        let next = last.and_then(|txn| Xid::from_number(txn.xid.number() - 1)).map(Place::below);
        LockPage { rows, next, held }
    }
}

fn held_rows(txn: &Txn) -> impl Iterator<Item = LockRow> {
    txn.held_rows().map(|(number, row)| {
        let branch = &txn.branches[usize::from(number)];
        let row = row.owned();
        LockRow {
            xid: txn.xid,
            name: txn.name.clone(),
            status: txn.status,
            number,
            branch: branch.id.clone(),
            resource: row.resource,
            table: row.table,
            key: row.key,
            since_ms: branch.joined_ms,
        }
    })
}

impl Desk<'_> {
    /// A page of the rows that are held.
    pub fn locks(&self, filter: &LockFilter) -> LockPage {
        let (candidates, held) = self.coordinator.read(|state| (filter.candidates(state), state.locks_len()));
        filter.page(candidates, held)
    }

    /// Who was refused rows of whose lately, by this node; the last ones first.
    pub fn waits(&self) -> Vec<WaitRow> {
        let conflicts = self.coordinator.conflicts();
        self.coordinator.read(|state| {
            let row = |conflict: crate::txn::conflicts::Conflict| {
                let (waiter, holder) = (state.open(conflict.waiter), state.open(conflict.holder));
                let asks = waiter.is_some_and(|txn| txn.status == Status::Active);
                let holds =
                    holder.is_some_and(|txn| matches!(txn.status, Status::Active | Status::RollingBack));
                WaitRow {
                    waiter: (conflict.waiter, waiter.map(|txn| txn.name.clone())),
                    holder: (conflict.holder, holder.map(|txn| txn.name.clone())),
                    resource: conflict.resource,
                    table: conflict.table,
                    key: conflict.key,
                    count: conflict.count,
                    first_ms: conflict.first_ms,
                    last_ms: conflict.last_ms,
                    waiting: asks && holds,
                }
            };
            conflicts.into_iter().map(row).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_core::txn::{Begin, Command, Enlist, Enrolment, Limits, Mode, News, Options, Protocol, Target};

    fn xid(number: u64) -> Xid {
        Xid::from_number(number).unwrap()
    }

    fn begin(number: u64) -> Command {
        Command::Begin(Box::new(Begin {
            xid: xid(number),
            gid: None,
            mode: Mode::Mixed,
            name: "n".into(),
            options: Options::default(),
            headers: Vec::new(),
            back_check: None,
            note: bytes::Bytes::new(),
            branches: Vec::new(),
            submit: false,
        }))
    }

    fn enlist(number: u64, resource: &str, keys: &str) -> Command {
        let target = Some(Target { protocol: Protocol::Seata, url: "seata://r".into() });
        let branch = Enrolment {
            id: format!("b{number}").into(),
            label: "".into(),
            forward: target.clone(),
            backward: target,
            payload: bytes::Bytes::new(),
            after: [].into_iter().collect(),
            refused: false,
            rows: Some(Box::new(Rows { resource: resource.into(), keys: keys.into() })),
        };
        Command::Enlist(Box::new(Enlist { xid: xid(number), branch }))
    }

    /// Transactions 1 to `last` with three rows each, of which one is of table `u`.
    fn state(last: u64) -> State {
        let mut state = State::new(Limits::default());
        for number in 1..=last {
            state.begin_batch(number);
            let keys = format!("t:{number}a,{number}b;u:{number}");
            for command in [begin(number), enlist(number, "jdbc:mysql://h/pay", &keys)] {
                state.apply(&command, &mut News::default()).unwrap();
            }
        }
        state
    }

    fn page(state: &State, filter: &LockFilter) -> (Vec<String>, Option<Place>) {
        let page = filter.page(filter.candidates(state), state.locks_len());
        (page.rows.iter().map(|row| format!("{}/{}", row.table, row.key)).collect(), page.next)
    }

    #[test]
    fn pages_go_on_in_the_middle_of_a_transaction() {
        let state = state(3);
        let mut filter = LockFilter { limit: 2, ..LockFilter::default() };
        let mut pages = Vec::new();
        loop {
            let (rows, next) = page(&state, &filter);
            pages.push(rows.join(" "));
            filter.from = next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(pages, ["t/3a t/3b", "u/3 t/2a", "t/2b u/2", "t/1a t/1b", "u/1"]);
    }

    #[test]
    fn a_filter_may_be_a_part_of_a_name_and_a_key_is_whole() {
        let state = state(3);
        let rows = |resource: &str, table: &str, key: &str, xid: Option<Xid>| {
            let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let (resource, table, key) = (said(resource), said(table), said(key));
            page(&state, &LockFilter { xid, resource, table, key, from: None, limit: 100 }).0.join(" ")
        };
        assert_eq!(rows("mysql", "u", "", None), "u/3 u/2 u/1");
        assert_eq!(rows("oracle", "", "", None), "");
        assert_eq!(rows("", "", "2", None), "u/2");
        assert_eq!(rows("", "t", "", Some(xid(1))), "t/1a t/1b");
        assert_eq!(rows("jdbc:mysql://h/pay", "t", "2b", None), "t/2b");
        assert_eq!(rows("pay", "t", "2b", None), "t/2b");
        assert_eq!(rows("jdbc:mysql://h/pay", "t", "2b", Some(xid(1))), "");
    }

    #[test]
    fn a_page_looks_at_so_many_transactions_and_says_where_to_go_on() {
        let state = state(LOOK_MAX as u64 + 5);
        let mut filter = LockFilter { key: Some("3".into()), limit: 10, ..LockFilter::default() };
        let (rows, next) = page(&state, &filter);
        assert!(rows.is_empty());
        assert_eq!(next, Some(Place { xid: xid(5), rows: 0 }));
        filter.from = next;
        assert_eq!(page(&state, &filter), (vec!["u/3".to_owned()], None));
    }
}
