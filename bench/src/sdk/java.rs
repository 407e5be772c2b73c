//! Seata's own Java client on the same databases: the class `Transfers` of `e2e/java/seata-client`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::bank::Bank;
use super::driver::{Counts, Driver, Window};
use super::scenario::{Scenario, Way};
use crate::jvm::Jvm;

/// The load.
#[derive(Debug)]
pub(super) struct Java(Jvm);

impl Java {
    /// Starts a JVM. `coordinator` is nobody's address where transactions are plain.
    ///
    /// # Errors
    /// When it does not start, or the coordinator does not take it.
    pub(super) fn start(jar: &Path, way: Way, bank: &Bank, coordinator: Option<SocketAddr>) -> Result<Self> {
        let from = format!("jdbc:postgresql://{}/postgres", bank.postgres.address());
        let to = format!("jdbc:mysql://{}/bank?useSSL=false", bank.mariadb.address());
        let arguments = [way.id().to_owned(), from, "synod".into(), to, "root".into()];
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let jvm = Jvm::start(jar, coordinator.unwrap_or(nobody), "synod.e2e.Transfers", &arguments)?;
        Ok(Self(jvm))
    }

    /// Begins with the clients of a scenario. Those of the one before have been stopped.
    ///
    /// # Errors
    /// When the JVM is gone.
    pub(super) fn begin(&mut self, scenario: Scenario) -> Result<()> {
        self.0.ask::<bool>(&format!("begin {} {}", scenario.clients, scenario.accounts())).map(drop)
    }
}

impl Driver for Java {
    fn measure(&mut self, time: Duration) -> Result<Window> {
        self.0.ask(&format!("measure {}", time.as_millis()))
    }

    fn stop(&mut self) -> Result<Counts> {
        self.0.ask("stop")
    }

    fn pid(&self) -> u32 {
        self.0.pid()
    }
}
