//! A Spring Cloud Eureka server as a peer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::http::{self, Reply, Request};
use crate::listing::{Form, Listing};
use crate::process::{Process, free_port};
use crate::tools;
use crate::wait::wait_until;

/// A JVM on two busy cores takes its time.
const START: Duration = Duration::from_secs(150);

/// A running Java server.
#[derive(Debug)]
pub struct JavaServer {
    process: Process,
    address: SocketAddr,
    _home: TempDir,
    peers: String,
}

impl JavaServer {
    /// Chooses its port, so that others can be told of it before it starts.
    pub fn reserve() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], free_port()))
    }

    /// Starts a server at `address` with `peers` (base URLs, comma-separated) and short intervals; waits until it serves.
    ///
    /// # Panics
    /// It does not serve in time.
    #[track_caller]
    pub fn start(address: SocketAddr, peers: &str) -> Self {
        let mut server = Self::spawn(address, peers);
        server.wait_ready();
        server
    }

    /// As [`JavaServer::start`], without waiting.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn spawn(address: SocketAddr, peers: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let mut command = tools::java("eureka-server");
        command
            .arg(format!("--server.port={}", address.port()))
            .arg("--spring.profiles.active=peer")
            .arg(format!("--eureka.client.service-url.defaultZone={peers}"));
        let process = Process::start_logging("java eureka-server", command, &home.path().join("log"));
        Self { process, address, _home: home, peers: peers.to_owned() }
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// It ends, or does not serve in time.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let (process, address) = (&mut self.process, self.address);
        wait_until(START, "the Java server answers", || {
            assert!(process.exit().is_none(), "the Java server ended");
            http::try_send(address, &Request::get_json("/eureka/apps/"))
                .is_ok_and(|reply| reply.status == 200)
        });
    }

    /// Ends it as if its machine had failed, and starts it again with nothing remembered.
    ///
    /// # Panics
    /// It does not serve in time.
    #[track_caller]
    pub fn restart(self) -> Self {
        let (address, peers) = (self.address, self.peers.clone());
        drop(self);
        Self::start(address, &peers)
    }

    /// Kills it.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// One request on its own connection.
    ///
    /// # Panics
    /// There is no answer.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        http::send(self.address, request)
    }

    /// The answer with the full list as it is, past Java's cache: that keeps what it was loading while a change came, until
    /// the next change or for three minutes. A region nobody has makes a key that is not in it.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn fresh(&self) -> Reply {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let region = NEXT.fetch_add(1, Ordering::Relaxed);
        self.send(&Request::get_json(&format!("/eureka/apps/?regions=none-{region}"))).expect(200)
    }

    /// The full list, past Java's cache.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn list(&self) -> Listing {
        Form::default().decode(self.fresh())
    }

    /// The base URL by which others reach it.
    pub fn url(&self) -> String {
        format!("http://{}/eureka/", self.address)
    }
}
