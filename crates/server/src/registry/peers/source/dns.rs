//! Peers from DNS: `a:HOST:PORT`, `aaaa:HOST:PORT`, `srv:NAME`, `txt:NAME`, each with a path behind it if it is not
//! `/eureka/`, and `srv+https:NAME` (and so on) for peers that are asked over TLS.
//!
//! TXT records are read as Eureka does (`eureka.md` 4.6): those of the name list zones, those of `txt.ZONE` the hosts of a
//! zone. A word of either that is a URL stands for itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use synod_base::hash::stable64;
use synod_wire::dns::{Kind, Record, Response, question, response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// How long a server may take for one question, over either transport.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a question is sent before the next server is asked.
const ATTEMPTS: u32 = 2;
/// Zones followed at most.
const ZONES_MAX: usize = 32;
const PORT: u16 = 8761;
const PATH: &str = "/eureka/";

/// What is looked up, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    kind: Kind,
    scheme: &'static str,
    name: String,
    port: u16,
    path: String,
    /// Asked in place of the system's, if set.
    server: Option<SocketAddr>,
}

impl Lookup {
    /// Reads `kind:name[:port][/path]`; `server` is `IP[:port]`, or empty for the system's.
    pub(super) fn parse(spec: &str, server: &str) -> Result<Self, String> {
        let (kind, rest) =
            spec.split_once(':').ok_or("it should look like \"srv:NAME\" or \"a:HOST:PORT\"")?;
        let (kind, scheme) = match kind.split_once('+') {
            Some((kind, "https")) => (kind, "https"),
            Some((_, other)) => return Err(format!("\"+{other}\" should be \"+https\" or nothing")),
            None => (kind, "http"),
        };
        let kind = match kind {
            "a" => Kind::A,
            "aaaa" => Kind::Aaaa,
            "srv" => Kind::Srv,
            "txt" => Kind::Txt,
            _ => return Err("before the first colon should be one of: a, aaaa, srv, txt".into()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| format!("\"{port}\" is no port"))?),
            None => (authority, PORT),
        };
        question(0, name, kind).map_err(|error| format!("\"{name}\": {error}"))?;
        let path = if path.is_empty() { PATH } else { path };
        let server = match server {
            "" => None,
            text => Some(
                server_address(text).ok_or_else(|| format!("\"{text}\" is no address of a DNS server"))?,
            ),
        };
        Ok(Self { kind, scheme, name: name.into(), port, path: path.into(), server })
    }

    /// The peers' URLs; none when the name does not exist.
    pub(super) async fn urls(&self) -> Result<Vec<String>, String> {
        let mut urls = Vec::new();
        for record in self.records(&self.name, self.kind).await? {
            match record {
                Record::Address(ip) => urls.push(self.url(&SocketAddr::new(ip, self.port).to_string())),
                Record::Service { host, port, .. } => urls.push(self.url(&format!("{host}:{port}"))),
                Record::Text(text) => {
                    for word in words(&text).take(ZONES_MAX) {
                        self.zone(word, &mut urls).await?;
                    }
                }
            }
        }
        urls.sort();
        urls.dedup();
        Ok(urls)
    }

    async fn zone(&self, zone: &str, urls: &mut Vec<String>) -> Result<(), String> {
        if zone.contains("://") {
            urls.push(zone.into());
            return Ok(());
        }
        for record in self.records(&format!("txt.{zone}"), Kind::Txt).await? {
            let Record::Text(text) = record else { continue };
            urls.extend(words(&text).map(|host| match host.contains("://") {
                true => host.into(),
                false => self.url(&format!("{host}:{}", self.port)),
            }));
        }
        Ok(())
    }

    fn url(&self, authority: &str) -> String {
        format!("{}://{authority}{}", self.scheme, self.path)
    }

    async fn records(&self, name: &str, kind: Kind) -> Result<Vec<Record>, String> {
        // The system's own way knows /etc/hosts too, but nothing of services and texts.
        if self.server.is_none() && matches!(kind, Kind::A | Kind::Aaaa) {
            let addresses =
                tokio::net::lookup_host((name, 0)).await.map_err(|error| format!("{name}: {error}"))?;
            let wanted = addresses.map(|address| address.ip()).filter(|ip| ip.is_ipv4() == (kind == Kind::A));
            return Ok(wanted.map(Record::Address).collect());
        }
        let servers = match self.server {
            Some(server) => vec![server],
            None => system_servers(),
        };
        let mut last = "no DNS server is configured".to_owned();
        for server in servers {
            for _ in 0..ATTEMPTS {
                match ask(server, name, kind).await {
                    Ok(records) => return Ok(records),
                    Err(error) => last = format!("{name}, asked of {server}: {error}"),
                }
            }
        }
        Err(last)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|word| !word.is_empty())
}

fn server_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)))
}

fn system_servers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.filter_map(|ip| Some(SocketAddr::new(ip.trim().parse::<IpAddr>().ok()?, 53))).take(3).collect()
}

/// Asks over UDP, and over TCP when the answer does not fit.
async fn ask(server: SocketAddr, name: &str, kind: Kind) -> Result<Vec<Record>, String> {
    let timed =
        |result: Result<Result<Response, String>, _>| result.unwrap_or_else(|_| Err("no answer".into()));
    // A fresh socket has a port of the kernel's choice, which a forger would have to guess as well as the number.
    let id = guess_proof();
    let question = question(id, name, kind).map_err(|error| error.to_string())?;
    let response = timed(tokio::time::timeout(PATIENCE, over_udp(server, &question)).await)?;
    let response = match response {
        Response::Truncated => timed(tokio::time::timeout(PATIENCE, over_tcp(server, &question)).await)?,
        whole => whole,
    };
    match response {
        Response::Records(records) => Ok(records),
        Response::Truncated => Err("the answer is cut short even over TCP".into()),
        Response::Failed(code) => Err(format!("the server failed with code {code}")),
    }
}

fn guess_proof() -> u16 {
    let seed = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), ());
    stable64(&seed.to_le_bytes()) as u16
}

async fn over_udp(server: SocketAddr, question: &[u8]) -> Result<Response, String> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(|error| error.to_string())?;
    socket.connect(server).await.map_err(|error| error.to_string())?;
    socket.send(question).await.map_err(|error| error.to_string())?;
    let mut message = vec![0; 4_096];
    loop {
        let length = socket.recv(&mut message).await.map_err(|error| error.to_string())?;
        // Strays are waited out; the time limit is around all of this.
        if let Ok(response) = response(&message[..length], question) {
            return Ok(response);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> Result<Response, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let mut framed = (question.len() as u16).to_be_bytes().to_vec();
        framed.extend(question);
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut message = vec![0; usize::from(length)];
        stream.read_exact(&mut message).await?;
        Ok::<_, std::io::Error>(message)
    };
    let message = exchange.await.map_err(|error| error.to_string())?;
    response(&message, question).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;
    use tokio::net::TcpListener;

    /// Answers each question with these records of its kind, or says "truncated" over UDP when they are more than one.
    async fn server(answer: fn(&[u8]) -> Vec<Vec<u8>>) -> SocketAddr {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let message = |question: &[u8], cut: bool, records: &[Vec<u8>]| {
            let mut message = question.to_vec();
            message[2] = if cut { 0x83 } else { 0x81 };
            message[7] = if cut { 0 } else { records.len() as u8 };
            for data in records {
                message.extend([0xc0, 12]);
                message.extend(&question[question.len() - 4..]);
                message.extend([0, 0, 0, 1]);
                message.extend((data.len() as u16).to_be_bytes());
                message.extend(data);
            }
            message
        };
        task::spawn("dns-udp", async move {
            let mut buffer = vec![0; 512];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                let question = &buffer[..length];
                let records = answer(question);
                udp.send_to(b"stray", from).await.unwrap();
                udp.send_to(&message(question, records.len() > 1, &records), from).await.unwrap();
            }
        });
        task::spawn("dns-tcp", async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                let message = message(&question, false, &answer(&question));
                stream.write_all(&(message.len() as u16).to_be_bytes()).await.unwrap();
                stream.write_all(&message).await.unwrap();
            }
        });
        address
    }

    fn zone(question: &[u8]) -> Vec<Vec<u8>> {
        let text = |text: &str| vec![[&[text.len() as u8], text.as_bytes()].concat()];
        let asked = String::from_utf8_lossy(question);
        match question[question.len() - 3] {
            1 => vec![vec![10, 0, 0, 1], vec![10, 0, 0, 2]],
            28 => vec![[vec![0; 15], vec![1]].concat()],
            33 => vec![vec![0, 1, 0, 1, 0x22, 0x39, 1, b'n', 0]],
            _ if asked.contains("zone-1") => text("one.test two.test"),
            _ if asked.contains("zone-2") => text("http://three.test/e/"),
            _ => text("zone-1.test zone-2.test"),
        }
    }

    #[tokio::test]
    async fn each_kind_of_record_gives_urls() {
        let server = server(zone).await.to_string();
        for (spec, expect) in [
            ("a:x.test:8080", "http://10.0.0.1:8080/eureka/ http://10.0.0.2:8080/eureka/"),
            ("aaaa:x.test/v2/", "http://[::1]:8761/v2/"),
            ("srv:_eureka._tcp.x.test", "http://n:8761/eureka/"),
            ("srv+https:_eureka._tcp.x.test", "https://n:8761/eureka/"),
            (
                "txt:txt.region.x.test:7001/eureka/v2/",
                "http://one.test:7001/eureka/v2/ http://three.test/e/ http://two.test:7001/eureka/v2/",
            ),
        ] {
            let urls = Lookup::parse(spec, &server).unwrap().urls().await.unwrap();
            assert_eq!(urls.join(" "), expect, "{spec}");
        }
    }

    #[tokio::test]
    async fn hosts_known_to_the_system_need_no_dns() {
        let urls = Lookup::parse("a:localhost:80", "").unwrap().urls().await.unwrap();
        assert_eq!(urls, ["http://127.0.0.1:80/eureka/"]);
    }

    #[test]
    fn what_cannot_be_looked_up_is_refused_with_a_reason() {
        for (spec, server, reason) in [
            ("eureka.test", "", "it should look like"),
            ("a+tls:eureka.test", "", "should be \"+https\""),
            ("mx:eureka.test", "", "one of: a, aaaa, srv, txt"),
            ("a:eureka.test:x", "", "\"x\" is no port"),
            ("srv:a..b", "", "not a DNS name"),
            ("srv:a.b", "nameserver", "no address of a DNS server"),
        ] {
            let error = Lookup::parse(spec, server).unwrap_err();
            assert!(error.contains(reason), "{spec}: {error}");
        }
    }
}
