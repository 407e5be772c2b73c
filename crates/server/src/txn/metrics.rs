//! The numbers of global transactions.

mod seata;

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use synod_core::txn::{End, Mode, Status, Txn};
use synod_replica::{Machine, Replicator, Room};

pub use self::seata::SeataAliases;

use self::seata::Tallies;
use crate::metrics::Registry;

const ENDS: [End; 3] = [End::Committed, End::RolledBack, End::Stopped];
/// Of a transaction, from its begin to its end.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 600.0];

/// What ended, how, and after how long; counted by the leader.
#[derive(Clone, Debug)]
pub struct TxnMetrics {
    ended: [[Counter; ENDS.len()]; Mode::ALL.len()],
    duration: [Histogram; Mode::ALL.len()],
    tallies: Arc<Tallies>,
}

impl TxnMetrics {
    /// Adds the metrics to `registry`, all of them at zero.
    pub fn new(registry: &mut Registry) -> Self {
        let ended = Family::<[(&str, &str); 2], Counter>::default();
        registry.register("transactions_ended", "Global transactions that ended", ended.clone());
        let duration =
            Family::<[(&str, &str); 1], Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        let help = "From the begin of a global transaction to its end";
        registry.register_with_unit("transaction_duration", help, Unit::Seconds, duration.clone());
        let counter = |mode: Mode, end: End| {
            ended.get_or_create_owned(&[("mode", mode.as_str()), ("end", end.as_str())])
        };
        Self {
            ended: Mode::ALL.map(|mode| ENDS.map(|end| counter(mode, end))),
            duration: Mode::ALL.map(|mode| duration.get_or_create_owned(&[("mode", mode.as_str())])),
            tallies: Arc::default(),
        }
    }

    /// Counts an end.
    pub(super) fn ended(&self, txn: &Txn) {
        let Status::Ended(end) = txn.status else { return };
        self.tallies.ended(txn, end);
        let mode = Mode::ALL.iter().position(|mode| *mode == txn.mode);
        let end = ENDS.iter().position(|known| *known == end);
        if let (Some(mode), Some(end)) = (mode, end) {
            self.ended[mode][end].inc();
            self.duration[mode].observe(txn.touched_ms.saturating_sub(txn.begun_ms) as f64 / 1_000.0);
        }
    }
}

/// What is open, and how the log stands, read when somebody scrapes.
#[derive(Clone, Debug, Default)]
pub struct LogMetrics(Arc<OnceLock<Watched>>);

#[derive(Debug)]
struct Watched {
    machine: Arc<Machine>,
    replicator: Arc<dyn Replicator>,
}

impl LogMetrics {
    /// From now on there is something to read.
    pub(crate) fn watch(&self, machine: Arc<Machine>, replicator: Arc<dyn Replicator>) {
        // A node has one log; a second call would change nothing.
        self.0.get_or_init(|| Watched { machine, replicator });
    }
}

impl LogMetrics {
    /// Transactions that have not ended.
    fn open(&self) -> usize {
        self.0.get().map_or(0, |watched| watched.machine.read(|view| view.state.open_len()))
    }
}

impl Collector for LogMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(Watched { machine, replicator }) = self.0.get() else { return Ok(()) };
        let (open, gids) = machine.read(|view| (view.state.open_len(), view.state.outcomes().gids()));
        let log = replicator.metrics();
        let room = match log.room {
            Room::Any => 2.0,
            Room::Reserve => 1.0,
            Room::Nothing => 0.0,
        };
        for (name, help, unit, value) in [
            ("transactions_open", "Global transactions that have not ended", None, open as f64),
            ("transaction_outcomes", "Outcomes remembered under clients' own ids", None, gids as f64),
            ("log_leader", "1 when this node leads", None, f64::from(u8::from(log.role.is_leader()))),
            ("log_term", "The term of consensus", None, log.term as f64),
            ("log_last_index", "The last entry of the log", None, log.last_index as f64),
            ("log_applied_index", "The last entry that was applied", None, log.applied_index as f64),
            ("log_size", "Log since the last snapshot", Some(Unit::Bytes), log.log_bytes as f64),
            ("log_disk", "Log and snapshots on the disk", Some(Unit::Bytes), log.disk_bytes as f64),
            ("log_room", "2: room for anything, 1: only to finish what was accepted, 0: none", None, room),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)?;
        }
        Ok(())
    }
}
