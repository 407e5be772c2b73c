//! This node as an instance of its own registry, as Eureka's server is: Java peers show a replica as available when an
//! instance of their own application name has the host by which they know it (`eureka.md` 4.6).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use synod_core::registry::instance::{Instance, Port};
use synod_core::registry::{Origin, Renewal};

use crate::node::{Node, host_name};

/// How often it renews itself: what it registers, and what Java servers expect.
const INTERVAL: Duration = Duration::from_secs(30);

/// Registers this node and renews it, for as long as it is polled; does nothing when that is not wanted.
pub(super) async fn keep(node: &Node, http: SocketAddr) {
    if !node.config.registry.own.register {
        std::future::pending::<()>().await;
    }
    let instance = instance(node, http).await;
    loop {
        let (app, id) = (&*instance.app, &*instance.id);
        let renewal = node.registry.renew(app, id, Some(instance.dirty_ms), Origin::Client);
        if !matches!(renewal, Renewal::Renewed(_) | Renewal::Newer(_))
            && let Err(error) = node.registry.register(instance.clone(), Origin::Client)
        {
            tracing::warn!(%error, "this node cannot register itself");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Takes this node off.
pub(super) fn leave(node: &Node) {
    let own = node.registry.lists().own();
    node.registry.cancel(&own.app, &own.id, Origin::Client);
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

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        for (host, expect) in
            [("n1.test", "n1.test:1"), ("10.0.0.1", "10.0.0.1:1"), ("::1", "[::1]:1"), ("[::1]", "[::1]:1")]
        {
            assert_eq!(authority(host, 1), expect);
        }
    }
}
