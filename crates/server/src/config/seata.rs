//! The keys of the Seata face.

use std::time::Duration;

use super::Address;
use super::key::{DURATION, INTERVAL, Kind, LISTEN, integer, settings, size};

settings! {
    /// Seata clients.
    pub struct SeataConfig {
        /// Where Seata clients are served.
        listen: Option<Address> = "face.seata.listen", LISTEN, "127.0.0.1:8091", "off";
        /// The `host:port` that Seata clients are told to reach this node at, which is part of the text of every XID; `off`: the
        /// address listened on.
        advertise: Option<Address> = "face.seata.advertise", LISTEN, "off", "synod-1.example.org:8091";
        /// The application under which Seata clients with `registry.type=eureka` find this node in its registry: the cluster that
        /// their group is mapped to. It is registered where this node itself is (`registry.self.register`); empty: not at all.
        cluster: String = "face.seata.cluster", Kind::Text, "default", "shop";
        /// Connections of Seata clients served at once; one more is closed. A Java process opens two.
        connections_max: usize = "face.seata.connections_max", integer(1, 1_000_000), "20000", "50000";
        /// A connection from which no byte has come for so long is closed; clients send something every 10 s.
        idle_timeout: Duration = "face.seata.idle_timeout", INTERVAL, "15s", "30s";
        /// Largest frame.
        frame_bytes_max: usize = "face.seata.frame_bytes_max", size(4 << 10, 1 << 30), "8MiB", "1MiB";
        /// How long a resource manager may take to commit or roll back a branch when the transaction does not say.
        call_timeout: Duration = "face.seata.call_timeout", INTERVAL, "15s", "60s";
        /// How long a client that commits or rolls back waits at most until all branches have been told; then it hears that
        /// this goes on. Clients give up after 20 to 30 s.
        answer_within: Duration = "face.seata.answer_within", INTERVAL, "10s", "5s";
        /// Undo logs older than this, in whole days, are deleted; `0s`: none. Must be longer than any transaction.
        undo_keep: Duration = "face.seata.undo_keep", DURATION, "7d", "30d";
        /// How often participants are told to look for such undo logs.
        undo_clean: Duration = "face.seata.undo_clean", INTERVAL, "24h", "1h";
    }
}
