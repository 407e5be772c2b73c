//! The server that Seata's clients are tested against: Synod, or with `SEATA_SERVER=real` Seata's own, to see what it does.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, free_port};
use crate::synod::Synod;
use crate::tools;
use crate::wait::wait_until;

/// Longest time until a JVM on two busy cores serves.
const START: Duration = Duration::from_secs(90);

/// The server under test.
#[derive(Debug)]
pub enum SeataServer {
    /// A node of ours.
    Synod(Synod),
    /// Seata 2.0.0 with its file store.
    Real(RealServer),
}

/// Seata's own server.
#[derive(Debug)]
pub struct RealServer {
    process: Process,
    address: SocketAddr,
    home: TempDir,
}

impl SeataServer {
    /// Starts the one that the environment asks for, and waits until it serves.
    ///
    /// # Panics
    /// It does not serve in time.
    #[track_caller]
    pub fn start() -> Self {
        if std::env::var_os("SEATA_SERVER").is_some_and(|server| server == "real") {
            Self::real()
        } else {
            Self::Synod(Synod::start(&["registry.self.register=false", "face.seata.listen=127.0.0.1:0"]))
        }
    }

    /// Starts Seata's own, whatever the environment asks for.
    ///
    /// # Panics
    /// It does not serve in time.
    #[track_caller]
    pub fn real() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let home = tempfile::tempdir().expect("a directory can be made");
        Self::Real(RealServer::start(address, home))
    }

    /// Where clients reach it.
    ///
    /// # Panics
    /// The node serves no Seata face.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Synod(node) => {
                let addresses = node.addresses();
                let address = addresses.get("seata");
                let address = address.unwrap_or_else(|| panic!("the node serves no Seata: {addresses:?}"));
                address.parse().expect("an address is host:port")
            }
            Self::Real(server) => server.address,
        }
    }

    /// What is expected, where the two differ.
    pub fn expected<T>(&self, of_synod: T, of_seata: T) -> T {
        match self {
            Self::Synod(_) => of_synod,
            Self::Real(_) => of_seata,
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill9(&mut self) {
        match self {
            Self::Synod(node) => node.kill9(),
            Self::Real(server) => server.process.kill9(),
        }
    }

    /// Starts it again on the same address and data after [`SeataServer::kill9`].
    ///
    /// # Panics
    /// It does not serve in time.
    #[track_caller]
    #[must_use]
    pub fn restart(self) -> Self {
        let address = self.address();
        match self {
            Self::Synod(node) => Self::Synod(node.restart_with(&[&format!("face.seata.listen={address}")])),
            Self::Real(server) => Self::Real(RealServer::start(address, server.home)),
        }
    }
}

impl RealServer {
    #[track_caller]
    fn start(address: SocketAddr, home: TempDir) -> Self {
        let mut command = tools::seata_server(&[
            ("server.port", &free_port().to_string()),
            ("seata.server.service-port", &address.port().to_string()),
            ("seata.config.type", "file"),
            ("seata.registry.type", "file"),
            ("seata.store.mode", "file"),
            ("seata.store.file.dir", &home.path().join("store").to_string_lossy()),
            ("logging.file.path", &home.path().join("logs").to_string_lossy()),
            // Its console does not start without.
            ("console.user.username", "seata"),
            ("console.user.password", "seata"),
            ("seata.security.secretKey", "secret"),
            ("seata.security.tokenValidityInMilliseconds", "1800000"),
        ]);
        command.current_dir(home.path());
        let mut process = Process::start_logging("Seata's server", command, &home.path().join("log"));
        wait_until(START, "Seata's server listens", || {
            assert!(process.exit().is_none(), "Seata's server ended");
            TcpStream::connect(address).is_ok()
        });
        Self { process, address, home }
    }
}
