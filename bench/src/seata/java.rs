//! Seata's own client as load generator: the class `Load` of `e2e/java/seata-client`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::driver::{Drained, Driver, Window};
use super::work::Work;
use crate::jvm::Jvm;

/// The load.
#[derive(Debug)]
pub(super) struct Java(Jvm);

impl Java {
    /// Starts a JVM and in it this many threads, each with one transaction under way.
    ///
    /// # Errors
    /// When the client does not start or the server does not take it.
    pub(super) fn start(jar: &Path, server: SocketAddr, work: Work, threads: usize) -> Result<Self> {
        let arguments = [work.id().to_owned(), threads.to_string()];
        Ok(Self(Jvm::start(jar, server, "synod.e2e.Load", &arguments)?))
    }
}

impl Driver for Java {
    fn measure(&mut self, time: Duration) -> Result<Window> {
        self.0.ask(&format!("measure {}", time.as_millis()))
    }

    fn drain(&mut self, limit: Duration) -> Result<Drained> {
        self.0.ask(&format!("drain {}", limit.as_millis()))
    }

    fn pid(&self) -> Option<u32> {
        Some(self.0.pid())
    }
}
