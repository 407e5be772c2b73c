//! The keys of every part but the registry.

use std::time::Duration;

use super::key::{DURATION, INTERVAL, Kind, LISTEN, integer, settings};
use super::{Address, SeataConfig};

settings! {
    /// The HTTP listener of the Eureka face, the native API, the console and the probes.
    pub struct HttpConfig {
        /// Where Eureka clients, the native API, the console, probes and metrics are served.
        listen: Address = "http.listen", Kind::Address { off: false }, "127.0.0.1:8761", "0.0.0.0:8761";
        /// Connections served at once; one more is answered 503 and closed.
        connections_max: usize = "http.connections_max", integer(1, 1_000_000), "20000", "50000";
        /// How long a new connection may stay silent, and how long the head of a request may take to arrive.
        header_timeout: Duration = "http.header_timeout", INTERVAL, "10s", "5s";
        /// How long a connection may stay without a byte in either direction between two requests or while a response
        /// is being taken; closed after one to two times this.
        idle_timeout: Duration = "http.idle_timeout", INTERVAL, "120s", "60s";
        /// How long the body of a request may take to arrive; then 408.
        request_timeout: Duration = "http.request_timeout", INTERVAL, "30s", "10s";
        /// Largest body of a request, as received and, if it is compressed, again as inflated; beyond it 413.
        body_bytes_max: usize = "http.body_bytes_max", Kind::Size, "10MiB", "32MiB";
    }
}

settings! {
    /// The listeners of foreign protocols that have their own port.
    pub struct FaceConfig {
        /// Where dtm clients are served over HTTP.
        dtm_http_listen: Option<Address> = "face.dtm.http.listen", LISTEN, "127.0.0.1:36789", "off";
        /// Where dtm clients are served over gRPC.
        dtm_grpc_listen: Option<Address> = "face.dtm.grpc.listen", LISTEN, "127.0.0.1:36790", "off";
        /// Where Nacos clients are served over HTTP; gRPC is at this port plus 1000, as they expect.
        nacos_listen: Option<Address> = "face.nacos.listen", LISTEN, "127.0.0.1:8848", "off";
        /// Where ZooKeeper clients are served.
        zookeeper_listen: Option<Address> = "face.zookeeper.listen", LISTEN, "127.0.0.1:2181", "off";
    } with {
        /// `face.seata.*`
        seata: SeataConfig;
    }
}

settings! {
    /// The native gRPC listener.
    pub struct GrpcConfig {
        /// Where the native API is served over gRPC.
        listen: Option<Address> = "grpc.listen", LISTEN, "127.0.0.1:8762", "off";
    }
}

settings! {
    /// Node to node.
    pub struct ClusterConfig {
        /// Where the other nodes of the cluster reach this one.
        listen: Option<Address> = "cluster.listen", LISTEN, "127.0.0.1:8763", "off";
    }
}

settings! {
    /// Who may talk to this node.
    pub struct AuthConfig {
        /// How callers prove who they are. Until authentication exists, `none` is the only value; while it is not
        /// written out, every listener must stay on loopback.
        mode: String = "auth.mode", Kind::Word(&["none"]), "", "none";
    }
}

settings! {
    /// TLS towards others; this node itself is served over plain HTTP.
    pub struct TlsConfig {
        /// A PEM file of certificate authorities that are trusted besides the system's, when this node asks something over
        /// `https`; read again when it changes.
        roots: String = "tls.roots", Kind::Text, "", "/etc/synod/authorities.pem";
    }
}

settings! {
    /// What this node is called.
    pub struct NodeConfig {
        /// The name under which this node shows itself; empty: the machine's host name.
        name: String = "node.name", Kind::Text, "", "synod-1";
    }
}

settings! {
    /// Where this node keeps its files.
    pub struct DataConfig {
        /// The data directory; made when missing, used by one process at a time. `--data` sets it too.
        dir: String = "data.dir", Kind::Text, "synod-data", "/var/lib/synod";
    }
}

settings! {
    /// What is logged, and how.
    pub struct LogConfig {
        /// `text` for a terminal, `json` for a collector; one line an event on stderr either way.
        format: String = "log.format", Kind::Word(&["text", "json"]), "text", "json";
        /// The least severe level that is logged (error, warn, info, debug, trace, off), also per module.
        level: String = "log.level", Kind::Text, "info", "info,synod_server::net=debug";
    }
}

settings! {
    /// Global transactions.
    pub struct TxnConfig {
        /// How long the details of a finished transaction can still be looked at.
        keep: Duration = "txn.keep", DURATION, "24h", "7d";
        /// How much room the details of finished transactions may take; the oldest go first.
        details_bytes: usize = "txn.details_bytes", Kind::Size, "256MiB", "4GiB";
        /// How long a transaction of the native API may stay undecided when it names no timeout: then it is rolled back, and the
        /// initiator of a message or a workflow is called.
        timeout: Duration = "txn.timeout", INTERVAL, "30s", "5m";
        /// How long it is remembered at least how a transaction ended; a participant in doubt has to ask within this time.
        outcome_keep: Duration = "txn.outcome_keep", INTERVAL, "1h", "24h";
        /// Remembered outcomes of transactions with an id of their initiator's; one more begin is refused.
        outcomes_max: usize = "txn.outcomes_max", integer(1, 1_000_000_000), "10000000", "50000000";
        /// Transactions open at once; one more is refused.
        open_max: usize = "txn.open_max", integer(1, 100_000_000), "1000000", "100000";
        /// Branches of one transaction at most.
        branches_max: u16 = "txn.branches_max", integer(1, 65_000), "1000", "100";
        /// Largest payload of a branch.
        payload_bytes_max: usize = "txn.payload_bytes_max", Kind::Size, "256KiB", "1MiB";
        /// The first pause before a failed call is repeated, where the transaction names none; it doubles with each failure.
        retry: Duration = "txn.retry", INTERVAL, "1s", "10s";
        /// The longest pause between two attempts of a call.
        retry_max: Duration = "txn.retry_max", INTERVAL, "1m", "5m";
        /// After so many failed attempts of one call a transaction is listed as needing attention.
        attention_after: u32 = "txn.attention_after", integer(1, 1_000_000), "3", "10";
        /// How long a notification that was given up can still be sent again.
        given_up_keep: Duration = "txn.given_up_keep", INTERVAL, "7d", "30d";
        /// Calls to participants under way at once.
        calls_max: usize = "txn.calls_max", integer(1, 1_000_000), "10000", "2000";
        /// Calls to one host under way at once.
        calls_per_destination_max: usize = "txn.calls_per_destination_max", integer(1, 1_000_000), "1000", "100";
    }
}
