//! This node as an instance of its own registry, as Eureka's server is: Java peers show a replica as available when an
//! instance of their own application name has the host by which they know it (`eureka.md` 4.6).

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use synod_core::registry::instance::{Instance, Port};
use synod_core::registry::{Origin, Renewal};

use crate::node::{Node, host_name};

/// How often it renews itself: what it registers, and what Java servers expect.
const INTERVAL: Duration = Duration::from_secs(30);

/// Where this node listens for those who look for it in its registry.
#[derive(Clone, Copy, Debug)]
pub struct Listeners {
    /// Eureka clients and all others that speak HTTP.
    pub http: SocketAddr,
    /// Seata clients; none when they are not served.
    pub seata: Option<SocketAddr>,
}

/// What this node registers: nothing when that is not wanted.
async fn instances(node: &Node, listeners: Listeners) -> Vec<Instance> {
    if !node.config.registry.own.register {
        return Vec::new();
    }
    let mut instances = vec![instance(node, listeners.http).await];
    if let Some(listens) = listeners.seata {
        instances.extend(seata(node, listens).await);
    }
    instances
}

/// Registers this node and renews it, for as long as it is polled. What it has registered is told through `registered`.
pub(super) async fn keep(node: &Node, listeners: Listeners, registered: &OnceLock<Vec<Instance>>) {
    let instances = instances(node, listeners).await;
    let instances = registered.get_or_init(|| instances);
    loop {
        for instance in instances {
            let renewal =
                node.registry.renew(&instance.app, &instance.id, Some(instance.dirty_ms), Origin::Client);
            if !matches!(renewal, Renewal::Renewed(_) | Renewal::Newer(_))
                && let Err(error) = node.registry.register(instance.clone(), Origin::Client)
            {
                tracing::warn!(%error, app = %instance.app, "this node cannot register itself");
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Takes this node off.
pub(super) fn leave(node: &Node, instances: &[Instance]) {
    for instance in instances {
        node.registry.cancel(&instance.app, &instance.id, Origin::Client);
    }
}

/// The listener of Seata clients, as they look for it with `registry.type=eureka`: an instance of the application that is called
/// as the cluster, whose address and port are those to connect to (`docs/protocol/seata.md` 7.2).
async fn seata(node: &Node, listens: SocketAddr) -> Option<Instance> {
    let cluster = &*node.config.face.seata.cluster;
    let (host, port) = node.xid_address.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|_| !cluster.is_empty())?;
    let host = host.trim_matches(['[', ']']);
    let ip = match host.parse() {
        Ok(ip) => ip,
        Err(_) => address(host, listens.ip()).await,
    };
    Some(Instance {
        host: host.into(),
        ip: ip.to_string().into(),
        port: Port { number: i32::from(port), enabled: true },
        secure_port: Port { number: 443, enabled: false },
        vip: Some(cluster.into()),
        dirty_ms: node.clock.now().wall_ms,
        ..Instance::new(cluster, &format!("{ip}:{cluster}:{port}"))
    })
}

async fn instance(node: &Node, http: SocketAddr) -> Instance {
    let own = node.registry.lists().own();
    let configured = &node.config.registry.own.hostname;
    let host = if configured.is_empty() { host_name() } else { configured.clone() };
    let port = http.port();
    let authority = authority(&host, port);
    let url = |path: &str| Some(format!("http://{authority}{path}").into());
    Instance {
        host: host.as_str().into(),
        ip: address(&host, http.ip()).await.to_string().into(),
        port: Port { number: i32::from(port), enabled: true },
        secure_port: Port { number: 443, enabled: false },
        vip: Some(own.app.to_lowercase().into()),
        secure_vip: Some(own.app.to_lowercase().into()),
        home_page_url: url("/"),
        status_page_url: url("/health/ready"),
        health_check_url: url("/health/live"),
        dirty_ms: node.clock.now().wall_ms,
        ..Instance::new(&own.app, &own.id)
    }
}

/// Host and port as a URL has them: an IPv6 address stands in brackets.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Where others reach this node: where it listens, or if that is everywhere, where its name leads.
async fn address(host: &str, listens: IpAddr) -> IpAddr {
    if !listens.is_unspecified() {
        return listens;
    }
    let resolved = tokio::net::lookup_host((host, 0)).await.ok().and_then(|mut addresses| addresses.next());
    resolved.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;

    use synod_core::registry::Status;

    use crate::clock::Clock;
    use crate::config::{Config, Sources};
    use crate::data_dir::DataDir;
    use crate::net::tls::Trust;
    use crate::task::Stop;

    fn node(sets: &[&str]) -> (Arc<Node>, Stop) {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources { set: sets.iter().map(ToString::to_string).collect(), ..Sources::default() };
        let config = Config::load(&sources).unwrap();
        let id = DataDir::open(dir.path()).unwrap().node_id();
        let (stop, stopping) = Stop::new();
        let http = SocketAddr::from(([127, 0, 0, 1], 8761));
        let trust = Trust::new("").unwrap();
        (Arc::new(Node::new(config, Clock::system(), id, http, None, trust, stopping)), stop)
    }

    const LISTENERS: Listeners = Listeners {
        http: SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 8761)),
        seata: Some(SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 18091))),
    };

    #[tokio::test]
    async fn seata_clients_find_the_address_that_they_are_to_connect_to() {
        for (sets, app, id, ip, port) in [
            (
                &["face.seata.advertise=10.0.0.9:8091"][..],
                "DEFAULT",
                "10.0.0.9:default:8091",
                "10.0.0.9",
                8091,
            ),
            (
                &["face.seata.advertise=tc.invalid:9000", "face.seata.cluster=Shop"],
                "SHOP",
                "127.0.0.1:Shop:9000",
                "127.0.0.1",
                9000,
            ),
        ] {
            let (node, _stop) = node(sets);
            let own = instances(&node, LISTENERS).await;
            let [_, seata] = &own[..] else { panic!("{own:?}") };
            assert_eq!((&*seata.app, &*seata.id, &*seata.ip), (app, id, ip));
            assert_eq!((seata.port.number, seata.port.enabled, seata.status), (port, true, Status::Up));
        }
    }

    #[tokio::test]
    async fn whoever_serves_no_seata_clients_registers_nothing_for_them() {
        for (sets, seata, count) in [
            (&[][..], None, 1),
            (&["face.seata.cluster="], LISTENERS.seata, 1),
            (&["registry.self.register=false"], LISTENERS.seata, 0),
            (&[], LISTENERS.seata, 2),
        ] {
            let (node, _stop) = node(sets);
            assert_eq!(instances(&node, Listeners { seata, ..LISTENERS }).await.len(), count, "{sets:?}");
        }
    }

    #[tokio::test]
    async fn what_was_registered_goes_when_the_node_leaves() {
        let (node, _stop) = node(&[]);
        let registered = OnceLock::new();
        let keep = std::pin::pin!(keep(&node, LISTENERS, &registered));
        let until_registered = async {
            while registered.get().is_none() {
                tokio::task::yield_now().await;
            }
        };
        futures_util::future::select(keep, std::pin::pin!(until_registered)).await;
        let own = registered.get().unwrap();
        let there = || {
            let renewed = own.iter().map(|one| node.registry.renew(&one.app, &one.id, None, Origin::Client));
            renewed.filter(|renewal| !matches!(renewal, Renewal::Unknown)).count()
        };
        assert_eq!(there(), 2);
        leave(&node, own);
        assert_eq!(there(), 0);
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        for (host, expect) in
            [("n1.test", "n1.test:1"), ("10.0.0.1", "10.0.0.1:1"), ("::1", "[::1]:1"), ("[::1]", "[::1]:1")]
        {
            assert_eq!(authority(host, 1), expect);
        }
    }
}
