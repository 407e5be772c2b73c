//! Open transactions in the order of their ids, which is that of their begins, from the newest on: what lists are cut from.

use std::sync::Arc;

use synod_base::xid::Xid;

use super::model::Txn;
use super::state::State;

impl State {
    /// Those that have not ended, with ids below `before`, the newest first. The first costs a look at every shard,
    /// each after it the logarithm of their number, however many are open.
    pub fn newest(&self, before: Option<Xid>) -> impl Iterator<Item = &Arc<Txn>> {
        self.open.below(before).map(|(_, txn)| txn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sharded::Sharded;
    use super::*;

    #[test]
    fn the_newest_come_first_and_a_page_goes_on_where_the_last_one_ended() {
        let mut map = Sharded::default();
        let numbers: Vec<u64> = (1..=2_000).filter(|number| number % 7 != 3).collect();
        for number in &numbers {
            map.insert(Xid::from_number(*number).unwrap(), *number);
        }
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page: Vec<u64> = map.below(before).take(300).map(|(_, number)| *number).collect();
            let Some(last) = page.last() else { break };
            before = Xid::from_number(*last);
            seen.extend(page);
        }
        assert!(seen.iter().eq(numbers.iter().rev()));
    }
}
