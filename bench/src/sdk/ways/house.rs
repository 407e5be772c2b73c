//! This process as Synod knows it over the native API: a client, and whom to call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use synod_client::Xid;
use synod_client::native::{Client, Participants, Standing};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// For whatever must not take for ever.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(super) struct House {
    pub(super) client: Arc<Client>,
    pub(super) participants: Arc<Participants>,
    _serving: JoinSet<()>,
}

impl House {
    /// Opens on a port that is free.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn open(synod: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let participants = Participants::new(&format!("http://{}", listener.local_addr()?))?;
        let client = Client::new([format!("http://{synod}")])?.participants(Arc::clone(&participants));
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&participants).serve(listener));
        Ok(Self { client: Arc::new(client), participants, _serving: serving })
    }

    /// Waits until all branches of a committed transaction have ended.
    ///
    /// # Errors
    /// When it has not committed, or not ended in time.
    pub(super) async fn ended(&self, xid: &Xid) -> Result<()> {
        let end = self.client.wait(xid.as_str(), LIMIT).await?;
        ensure!(
            end.ended && end.standing == Standing::Committed,
            "{xid} is {:?} after {LIMIT:?}",
            end.standing
        );
        Ok(())
    }
}
