//! URLs that name a service of a registry, as the drivers of the original read them. There each driver knows some schemes, one
//! driver is switched on, and it asks its own registry. Here all are read alike, and what is asked is up to the caller.
//!
//! | driver | URL | service | called |
//! |---|---|---|---|
//! | springcloud (HTTP) | `nacos://pay/try?x=1` | `pay` | `/try?x=1` |
//! | gozero, kratos, ego, sponge (gRPC) | `etcd://127.0.0.1:2379/pay/pay.Pay/Try`, `discovery:///pay/pay.Pay/Try` | `pay` | `/pay.Pay/Try` |
//! | gozero with settings (gRPC) | `consul://127.0.0.1:8500/pay?wait=14s/pay.Pay/Try` | `pay` | `/pay.Pay/Try` |
//! | polaris (gRPC) | `polaris://pay/pay.Pay/Try?namespace=default` | `pay` | `/pay.Pay/Try` |
//!
//! The place after the scheme is thus the service itself or the address of a registry. It is an address when it is empty or
//! has a port, and over gRPC also when the path names a service before the method, which always has two parts.

use super::{Transport, form};

/// The schemes of registries.
const SCHEMES: [&str; 7] = ["nacos", "polaris", "discovery", "etcd", "consul", "discov", "eureka"];
/// What divides one registry into several, and what their clients use where nothing is said: scheme, parameter, value.
const PARTS: [(&str, &str, &str); 3] = [
    ("polaris", "namespace", "default"),
    ("nacos", "group", "DEFAULT_GROUP"),
    ("nacos", "clusters", "DEFAULT"),
];

/// A service, and what is called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceUrl<'a> {
    /// As its instances are registered.
    pub service: &'a str,
    /// Over HTTP path and query, over gRPC the path of the method; empty, or begins with a slash or a question mark.
    pub target: &'a str,
}

/// Why nobody can be found by such a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadServiceUrl {
    /// dapr is not a registry: its sidecar makes the call.
    #[error(
        "dapr's schemes are calls through a dapr sidecar, which this server has none of: name the service or its address"
    )]
    Dapr,
    /// Its services are names of DNS.
    #[error(
        "Kubernetes' services are not registered here: write the address, service.namespace:port, without a scheme"
    )]
    Kubernetes,
    /// There is nothing to look up.
    #[error(
        "an address that is called directly is written without a scheme: host:port/package.Service/Method"
    )]
    Direct,
    /// One of several parts of a registry, where there is only one.
    #[error("there is no {parameter} \"{value}\" here: all services are in one, which is \"{only}\"")]
    Part {
        /// What it is called in the URL.
        parameter: &'static str,
        /// What it asks for.
        value: String,
        /// What it may ask for.
        only: &'static str,
    },
    /// The place of the service is empty, or there is a registry's address in it.
    #[error("it names no service")]
    NoService,
    /// gRPC calls nothing else.
    #[error("it names no method: expected scheme://registry/service/package.Service/Method")]
    NoMethod,
}

impl<'a> ServiceUrl<'a> {
    /// Reads a URL that is called in a certain way; none if its scheme is not one of a driver's.
    ///
    /// # Errors
    /// It is one, and cannot be served.
    pub fn parse(url: &'a str, transport: Transport) -> Result<Option<Self>, BadServiceUrl> {
        let Some((scheme, rest)) = url.split_once("://") else { return Ok(None) };
        match scheme {
            "daprhttp" | "daprphttp" | "daprgrpc" | "daprpgrpc" => return Err(BadServiceUrl::Dapr),
            "k8s" => return Err(BadServiceUrl::Kubernetes),
            "direct" => return Err(BadServiceUrl::Direct),
            other if SCHEMES.contains(&other) => {}
            _ => return Ok(None),
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let query = target.split_once('?').map_or("", |(_, query)| query);
        // Over gRPC what stands in a Nacos URL are settings of gozero's, which its driver passes over too.
        if transport != Transport::Grpc || scheme == "polaris" {
            is_whole(scheme, query)?;
        }
        let found = if transport == Transport::Grpc { method(place, target)? } else { path(place, target) };
        if found.service.is_empty() || found.service.contains(['@', ':']) {
            return Err(BadServiceUrl::NoService);
        }
        Ok(Some(found))
    }
}

/// Whether the URL asks for the whole registry rather than a part of it.
fn is_whole(scheme: &str, query: &str) -> Result<(), BadServiceUrl> {
    for (name, value) in form::pairs(query) {
        let part = PARTS.iter().find(|(of, parameter, _)| *of == scheme && *parameter == name);
        if let Some((_, parameter, only)) = part
            && !value.is_empty()
            && value != *only
        {
            return Err(BadServiceUrl::Part { parameter, value: value.into_owned(), only });
        }
    }
    Ok(())
}

/// The registry's own address rather than the name of a service.
fn is_address(place: &str) -> bool {
    place.is_empty() || place.contains(':')
}

fn path<'a>(place: &'a str, target: &'a str) -> ServiceUrl<'a> {
    match target.strip_prefix('/') {
        Some(path) if is_address(place) => {
            let (service, target) = path.split_at(path.find(['/', '?']).unwrap_or(path.len()));
            ServiceUrl { service, target }
        }
        _ => ServiceUrl { service: place, target },
    }
}

fn method<'a>(place: &'a str, target: &'a str) -> Result<ServiceUrl<'a>, BadServiceUrl> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts = path.bytes().filter(|byte| *byte == b'/').count();
    let found = match parts {
        0 | 1 => {
            // Settings of gozero's registry stand in front of the method.
            let service = path.strip_prefix('/').unwrap_or_default();
            let target = query.find('/').map_or("", |at| &query[at..]);
            ServiceUrl { service, target }
        }
        2 if is_address(place) => return Err(BadServiceUrl::NoService),
        2 => ServiceUrl { service: place, target: path },
        _ => {
            let path = &path[1..];
            let (service, target) = path.split_at(path.find('/').unwrap_or(path.len()));
            ServiceUrl { service, target }
        }
    };
    let method = found.target.strip_prefix('/').and_then(|method| method.split_once('/'));
    if method.is_none_or(|(service, method)| service.is_empty() || method.is_empty()) {
        return Err(BadServiceUrl::NoMethod);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(url: &str, transport: Transport) -> Option<(&str, &str)> {
        let found = ServiceUrl::parse(url, transport).unwrap_or_else(|error| panic!("{url}: {error}"));
        found.map(|found| (found.service, found.target))
    }

    #[test]
    fn over_http() {
        for (url, service, target) in [
            ("nacos://pay/try?x=1", "pay", "/try?x=1"),
            ("nacos://pay", "pay", ""),
            ("nacos://pay?x=1#top", "pay", "?x=1"),
            ("nacos://pay/a/b/c", "pay", "/a/b/c"),
            (
                "nacos://pay/try?group=DEFAULT_GROUP&clusters=DEFAULT",
                "pay",
                "/try?group=DEFAULT_GROUP&clusters=DEFAULT",
            ),
            // Written by the original's client in Java; its server reads "group" only.
            ("nacos://pay/try?groupName=G", "pay", "/try?groupName=G"),
            ("polaris://pay/try?namespace=default", "pay", "/try?namespace=default"),
            ("discovery:///pay/try", "pay", "/try"),
            ("consul://127.0.0.1:8500/pay?x=1", "pay", "?x=1"),
            ("etcd://a:2379,b:2379/pay/try", "pay", "/try"),
            ("discov://a:2379/pay.rpc/try", "pay.rpc", "/try"),
            ("eureka://PAY/try", "PAY", "/try"),
        ] {
            assert_eq!(read(url, Transport::Http), Some((service, target)), "{url}");
        }
    }

    #[test]
    fn over_grpc() {
        for url in [
            "etcd://127.0.0.1:2379/pay/pay.Pay/Try",
            "etcd:///pay/pay.Pay/Try",
            "discov://a:2379,b:2379/pay/pay.Pay/Try",
            "discovery:///pay/pay.Pay/Try",
            "discovery://registry/pay/pay.Pay/Try",
            "consul://127.0.0.1:8500/pay/pay.Pay/Try",
            "consul://u:p@127.0.0.1:8500/pay?wait=14s/pay.Pay/Try",
            "nacos://127.0.0.1:8848/pay?timeout=9s&group=G/pay.Pay/Try",
            "nacos://127.0.0.1:8848/pay/pay.Pay/Try",
            "nacos://pay/pay.Pay/Try",
            "polaris://pay/pay.Pay/Try?namespace=default",
            "polaris://pay/pay.Pay/Try?namespace=",
            "polaris://pay/pay.Pay/Try",
        ] {
            assert_eq!(read(url, Transport::Grpc), Some(("pay", "/pay.Pay/Try")), "{url}");
        }
    }

    #[test]
    fn what_is_no_service_is_left_alone() {
        for url in [
            "",
            "pay",
            "http://a/x",
            "https://a/x",
            "synod://pay/x",
            "topic://t",
            "ftp://a/x",
            "a:1/p.S/M?u=x",
        ] {
            for transport in [Transport::Http, Transport::JsonRpc, Transport::Grpc] {
                assert_eq!(read(url, transport), None, "{url}");
            }
        }
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_the_reason() {
        use Transport::{Grpc, Http};
        for (url, transport, why) in [
            ("daprhttp://DAPR_ENV/pay/try", Http, "sidecar"),
            ("daprphttp://localhost:3500/pay/try", Http, "sidecar"),
            ("daprgrpc://DAPR_ENV/pay/try", Grpc, "sidecar"),
            ("daprpgrpc://DAPR_ENV/pay/pay.Pay/Try", Grpc, "sidecar"),
            ("k8s:///pay:80/pay.Pay/Try", Grpc, "Kubernetes"),
            ("direct:///127.0.0.1:9000/pay.Pay/Try", Grpc, "without a scheme"),
            ("polaris://pay/pay.Pay/Try?namespace=Production", Grpc, "no namespace \"Production\" here"),
            ("polaris://pay/try?namespace=%54est", Http, "no namespace \"Test\" here"),
            ("nacos://pay/try?group=G", Http, "no group \"G\" here"),
            ("nacos://pay/try?clusters=DEFAULT&clusters=bj", Http, "no clusters \"bj\" here"),
            ("nacos://", Http, "no service"),
            ("nacos:///?x", Http, "no service"),
            ("nacos://127.0.0.1:8848", Http, "no service"),
            ("nacos://u@pay/try", Http, "no service"),
            ("etcd://127.0.0.1:2379/pay.Pay/Try", Grpc, "no service"),
            ("discovery:////pay.Pay/Try", Grpc, "no service"),
            ("consul://127.0.0.1:8500/pay?wait=14s", Grpc, "no method"),
            ("polaris://pay", Grpc, "no method"),
            ("polaris://pay/pay.Pay/", Grpc, "no method"),
        ] {
            let error = ServiceUrl::parse(url, transport).expect_err(url).to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_is_read_without_panic(rest in "[a:/?#&=@é.]{0,16}", scheme in 0..SCHEMES.len()) {
            let url = format!("{}://{rest}", SCHEMES[scheme]);
            for transport in [Transport::Http, Transport::Grpc] {
                if let Ok(Some(found)) = ServiceUrl::parse(&url, transport) {
                    prop_assert!(!found.service.is_empty() && !found.service.contains(['/', '?', '#']));
                    prop_assert!(found.target.is_empty() || found.target.starts_with(['/', '?']));
                }
            }
        }
    }
}
