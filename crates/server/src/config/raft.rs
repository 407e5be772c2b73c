//! The keys of consensus and its log.

use std::time::Duration;

use super::key::{DURATION, Kind, settings, size};

settings! {
    /// Consensus and its log.
    pub struct RaftConfig {
        /// Size of a segment of the log. Beside what the log holds, one is always kept in reserve, so that accepted work can be
        /// finished when the disk is full. Segments that are there keep their size.
        segment_bytes: u64 = "raft.segment_bytes", size(8 << 20, 1 << 30), "64MiB", "256MiB";
        /// How much log has to gather since the last snapshot before the next one is taken; or four times the size of the
        /// last one, if that is more.
        snapshot_bytes: u64 = "raft.snapshot_bytes", size(1 << 20, 1 << 40), "256MiB", "1GiB";
        /// How much log is kept although a snapshot holds it, for nodes that are behind.
        keep_bytes: u64 = "raft.keep_bytes", size(1 << 20, 1 << 40), "1GiB", "64MiB";
        /// For tests with power cuts: a file outside of the data directory, on its file system, in which everything is written
        /// down that is not known to be durable. Slow; empty: none.
        power_cut_journal: String = "raft.power_cut_journal", Kind::Text, "", "/tmp/test/journal";
        /// For tests with power cuts: leaves out every `fdatasync`, so that a test can show that it notices. Refused without
        /// the journal.
        power_cut_skip_sync: bool = "raft.power_cut_skip_sync", Kind::Bool, "false", "true";
        /// For tests with power cuts: how much longer it takes until a new name is durable, so that a cut can come before that.
        /// Without the journal it means nothing.
        power_cut_slow_names: Duration = "raft.power_cut_slow_names", DURATION, "0s", "50ms";
    }
}
