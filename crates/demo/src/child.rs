//! Processes of our own, and the ports they listen on.

use std::net::SocketAddr;
use std::process::Child;

use anyhow::Context as _;

/// A child that does not outlive us.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) Child);

impl Owned {
    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // One that has ended already cannot be killed, which is as good.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One that stays ours while whoever listens there is down: below the ports that the system hands out by itself.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let port = synod_scratch::free_port().context("no port is free")?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}
