//! Commands of any kind, applied and driven: nothing panics, and the state survives being written and read.
//!
//! The input is batches, each behind its length in two bytes and a byte that says how calls end after it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_base::time::Now;
use synod_core::txn::codec::{snapshot, v1};
use synod_core::txn::drive::{Driver, Effect, Effects, Event, Settings, Urgency};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Command, Limits, News, State};

/// Rounds of calls and proposals after each batch: something may be called for ever.
const ROUNDS: u32 = 8;

struct World {
    state: State,
    driver: Driver,
    now: Now,
}

impl World {
    fn apply(&mut self, command: &Command, effects: &mut Effects) {
        let mut news = News::default();
        drop(self.state.apply(command, &mut news));
        let changed = news.touched.into_iter().map(Event::Changed);
        for event in changed.chain(news.ended.iter().map(|txn| Event::Ended(txn.xid))) {
            self.driver.on(&self.state, self.now, event, effects);
        }
    }

    fn follow(&mut self, effect: Effect, result: &CallResult, effects: &mut Effects) {
        match effect {
            Effect::Call(call) => {
                let event = Event::Returned { call: call.id, result: result.clone(), answered: true };
                self.driver.on(&self.state, self.now, event, effects);
            }
            Effect::Propose(command, urgency) => {
                self.apply(&command, effects);
                if let (Urgency::Now, Some(xid)) = (urgency, subject(&command)) {
                    self.driver.on(&self.state, self.now, Event::Settled(xid), effects);
                }
            }
            Effect::Cancel(_) | Effect::Stalled(..) | Effect::Through(_) | Effect::History(..) => {}
        }
    }
}

fn subject(command: &Command) -> Option<synod_base::xid::Xid> {
    match command {
        Command::Report(report) => Some(report.xid),
        Command::Turn(turn) => Some(turn.xid),
        Command::Decide(decision) => Some(decision.xid),
        Command::TimeOut { xid, .. } | Command::GiveUp { xid } | Command::Stop { xid, .. } => Some(*xid),
        _ => None,
    }
}

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let now = Now { wall_ms: 1 << 40, mono_ms: 1 << 20 };
    let (state, driver) = (State::new(Limits::default()), Driver::new(Settings::default(), 1));
    let mut world = World { state, driver, now };
    while let Some(([low, high, end], behind)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (piece, behind) = behind.split_at(length);
        rest = behind;
        let Ok(batch) = v1::decode(&Bytes::copy_from_slice(piece)) else { continue };
        let result = match end % 4 {
            0 => CallResult::Done,
            1 => CallResult::Refused("no".into()),
            2 => CallResult::Ongoing,
            _ => CallResult::Failed("".into()),
        };
        world.state.begin_batch(batch.at_ms);
        let mut effects = Effects::new();
        for command in &batch.commands {
            world.apply(command, &mut effects);
        }
        for _ in 0..ROUNDS {
            for effect in std::mem::take(&mut effects) {
                world.follow(effect, &result, &mut effects);
            }
            world.now.mono_ms += 1_000;
            world.now.wall_ms += 1_000;
            world.driver.on(&world.state, world.now, Event::Tick, &mut effects);
        }
    }
    assert_eq!(world.state.open_len(), world.state.iter().count());
    let mut loader = snapshot::Loader::new(Limits::default());
    let records: Vec<Bytes> = snapshot::records(&world.state).collect();
    records.iter().for_each(|record| loader.take(record).expect("our own record"));
    assert!(snapshot::records(&loader.finish().expect("our own records")).eq(records));
});
