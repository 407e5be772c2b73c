//! The keys of the registry. Where Eureka has a setting of the same meaning, the default differs only where the original's
//! is known to hurt (`docs/adr` and the key's own text say why); `registry.compat.*` restores the original.

use std::time::Duration;

use super::key::{DURATION, INTERVAL, Kind, integer, settings};

settings! {
    /// The service registry.
    pub struct RegistryConfig {
        /// Base URLs of the other registry nodes, Synod's or Eureka's, as a Eureka client would write them.
        peers: Vec<String> = "registry.peers", Kind::Urls, "", "http://synod-2:8761/eureka/,http://synod-3:8761/eureka/";
        /// A file with one peer's base URL a line; watched, so that peers change without a restart.
        peers_file: String = "registry.peers_file", Kind::Text, "", "/etc/synod/peers";
        /// A DNS name that tells the peers: `srv:NAME`, `a:HOST:PORT` or `txt:NAME`, with `+https` behind the kind for peers
        /// over TLS (`srv+https:NAME`).
        peers_dns: String = "registry.peers_dns", Kind::Text, "", "srv:_eureka._tcp.example.org";
        /// The DNS server that is asked for `registry.peers_dns`, an address or `address:port`; empty: the system's.
        dns_server: String = "registry.dns_server", Kind::Text, "", "10.0.0.2:53";
        /// A URL that answers a JSON list of the peers' base URLs.
        peers_url: String = "registry.peers_url", Kind::Text, "", "http://inventory.example.org/eureka-peers";
        /// How often the file, the DNS name and the URL are asked again.
        peers_refresh: Duration = "registry.peers_refresh", INTERVAL, "30s", "10s";
        /// Largest number of replicated changes sent to a peer in one request.
        peer_batch_max: usize = "registry.peer_batch_max", integer(1, 10_000), "250", "1000";
        /// How long a peer may take to answer one request.
        peer_timeout: Duration = "registry.peer_timeout", INTERVAL, "5s", "2s";
        /// How often this node compares its whole registry with each peer's and repairs differences.
        anti_entropy_interval: Duration = "registry.anti_entropy_interval", INTERVAL, "30s", "10s";
        /// How long a starting node waits for a peer's copy of the registry before it opens with what it has.
        sync_deadline: Duration = "registry.sync_deadline", DURATION, "10s", "30s";
        /// How long a node that got no instance from any peer refuses reads; Eureka waits `5m`.
        wait_when_empty: Duration = "registry.wait_when_empty", DURATION, "0s", "5m";

        /// Whether instances are kept when so many stop renewing that the network is the likelier cause.
        self_preservation: bool = "registry.self_preservation", Kind::Bool, "true", "false";
        /// The part of the expected renewals below which self-preservation keeps everybody.
        preservation_threshold: f64 = "registry.preservation_threshold", Kind::Ratio, "0.85", "0.49";
        /// The time over which renewals are counted for self-preservation.
        preservation_window: Duration = "registry.preservation_window", INTERVAL, "60s", "30s";
        /// How long self-preservation may last before instances expire all the same; `0s`: as long as it takes.
        preservation_limit: Duration = "registry.preservation_limit", DURATION, "0s", "1h";
        /// How often expired leases are removed.
        eviction_interval: Duration = "registry.eviction_interval", INTERVAL, "1s", "60s";
        /// How long a lease lasts without a renewal when the client does not say.
        lease_duration: Duration = "registry.lease_duration", INTERVAL, "90s", "30s";

        /// How long a change stays in the delta; below `180s`, clients that poll every 30 s may miss some.
        delta_retention: Duration = "registry.delta_retention", INTERVAL, "180s", "5m";
        /// Whether delta requests are refused with 403, which makes clients fetch everything.
        delta_disabled: bool = "registry.delta_disabled", Kind::Bool, "false", "true";
        /// How often the registry is written to the data directory, for a start without peers; `0s`: never.
        snapshot_interval: Duration = "registry.snapshot_interval", DURATION, "30s", "0s";

        /// Instances held at most; registering one more is refused.
        instances_max: usize = "registry.instances_max", integer(1, 100_000_000), "2000000", "100000";
        /// Largest size of one instance; a larger one is refused.
        instance_bytes_max: usize = "registry.instance_bytes_max", Kind::Size, "64KiB", "16KiB";
        /// Metadata keys of one instance at most.
        metadata_keys_max: usize = "registry.metadata_keys_max", integer(0, 65_536), "512", "64";

        /// One more path prefix under which the Eureka API is served, for clients behind another server's context path.
        context_path: String = "registry.context_path", Kind::Text, "", "/discovery";
        /// The region that the status page shows, and whose instances are local.
        region: String = "registry.region", Kind::Text, "us-east-1", "eu-central-1";
        /// The environment that the status page shows.
        environment: String = "registry.environment", Kind::Text, "test", "production";
    }
    with {
        /// This node as an instance of its own registry.
        own: SelfConfig;
        /// Limits on how often the registry is fetched.
        rate_limit: RateLimitConfig;
        /// Switches back to what the original does.
        compat: CompatConfig;
    }
}

settings! {
    /// This node as an instance of its own registry.
    pub struct SelfConfig {
        /// Whether this node registers itself, as Spring's server does.
        register: bool = "registry.self.register", Kind::Bool, "true", "false";
        /// The application name under which it registers.
        app: String = "registry.self.app", Kind::Text, "EUREKA", "DISCOVERY";
        /// The host name it registers: the one in the URLs by which others reach it, or Java peers show it as unavailable;
        /// empty: the machine's.
        hostname: String = "registry.self.hostname", Kind::Text, "", "synod-1.example.org";
    }
}

settings! {
    /// Token buckets over registry fetches; beyond them 503.
    pub struct RateLimitConfig {
        /// Whether fetches are limited.
        enabled: bool = "registry.rate_limit.enabled", Kind::Bool, "false", "true";
        /// Fetches that may come at once before the rates apply.
        burst: u32 = "registry.rate_limit.burst", integer(1, 1_000_000), "10", "100";
        /// Fetches a second, full and delta together.
        fetch_rate: u32 = "registry.rate_limit.fetch_rate", integer(1, 1_000_000), "500", "2000";
        /// Full fetches a second.
        full_fetch_rate: u32 = "registry.rate_limit.full_fetch_rate", integer(1, 1_000_000), "100", "20";
        /// Whether the standard Java clients, recognised by their identity header, are limited too.
        throttle_standard_clients: bool = "registry.rate_limit.throttle_standard_clients", Kind::Bool, "false", "true";
        /// Identities (`DiscoveryIdentity-Name`) that are never limited.
        privileged_clients: Vec<String> = "registry.rate_limit.privileged_clients", Kind::List, "", "gateway,monitor";
    }
}

settings! {
    /// Habits of the original that Synod leaves off, for those who depend on them.
    pub struct CompatConfig {
        /// Whether a lease lasts twice its duration, as in Eureka.
        double_lease: bool = "registry.compat.double_lease", Kind::Bool, "false", "true";
        /// Whether an instance put `OUT_OF_SERVICE` stays so when its override is lost, as in Eureka.
        sticky_out_of_service: bool = "registry.compat.sticky_out_of_service", Kind::Bool, "false", "true";
        /// Whether the preservation threshold is computed from a count and one fixed interval, as in Eureka, and not
        /// from each instance's own renewal interval.
        fixed_threshold: bool = "registry.compat.fixed_threshold", Kind::Bool, "false", "true";
        /// The renewal interval of every client that the fixed threshold assumes.
        expected_renewal_interval: Duration = "registry.compat.expected_renewal_interval", INTERVAL, "30s", "10s";
        /// The number of instances that the fixed threshold assumes when a node opens without a peer's copy.
        open_for_traffic_count: u32 = "registry.compat.open_for_traffic_count", integer(0, 1_000_000), "1", "0";
    }
}
