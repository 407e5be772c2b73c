//! A transfer between two accounts, each with its own participant: TCC over Synod's native API.
//!
//! Start `synod serve`, then run
//!
//! ```text
//! cargo run -p synod-client --example transfer --features native -- http://127.0.0.1:8761
//! ```
//!
//! The accounts live in memory, which is enough to see how it works. Real ones keep each step, and a barrier for it, in one transaction of their
//! database (`synod_client::sql`).
#![allow(clippy::print_stdout, reason = "it shows what happens")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_client::native::{Client, Participants};
use synod_client::rm::tcc::{Action, Tcc};
use synod_client::rm::{Branch, EndError};
use synod_client::tm::{Tx, TxError, global_tx};
use tokio::net::TcpListener;

/// What moves: out of the account if it is negative.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Posting {
    cents: i64,
}

#[derive(Clone)]
struct Account(Arc<Mutex<Books>>);

struct Books {
    balance: i64,
    /// What is set aside, by branch. A branch that has ended stays with nothing: a second call finds nothing to do, and a try that comes late is
    /// refused.
    set_aside: HashMap<String, i64>,
}

impl Account {
    fn new(balance: i64) -> Self {
        Self(Arc::new(Mutex::new(Books { balance, set_aside: HashMap::new() })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key(branch: &Branch) -> String {
    format!("{}/{}", branch.xid, branch.id)
}

impl Action for Account {
    type Input = Posting;
    type Output = ();
    type Error = String;

    /// Money that goes out is set aside at once; money that comes in is not there before the confirm.
    async fn try_(&self, branch: &Branch, posting: &Posting) -> Result<(), String> {
        self.with(|books| {
            if books.set_aside.contains_key(&key(branch)) {
                return Err("it has been cancelled".to_owned());
            }
            let out = posting.cents.min(0);
            if books.balance + out < 0 {
                return Err(format!("there are only {} cents", books.balance));
            }
            books.balance += out;
            books.set_aside.insert(key(branch), posting.cents);
            Ok(())
        })
    }

    async fn confirm(&self, branch: &Branch, _: &Posting) -> Result<(), EndError> {
        self.with(|books| {
            let cents = books.set_aside.insert(key(branch), 0).unwrap_or(0);
            books.balance += cents.max(0);
        });
        Ok(())
    }

    async fn cancel(&self, branch: &Branch, _: &Posting) -> Result<(), EndError> {
        self.with(|books| {
            let cents = books.set_aside.insert(key(branch), 0).unwrap_or(0);
            books.balance -= cents.min(0);
        });
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let synod = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8761".to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let participants = Participants::new(&format!("http://{}", listener.local_addr()?))?;
    let client = Arc::new(Client::new([&synod])?.participants(Arc::clone(&participants)));

    let (alice, bob) = (Account::new(10_000), Account::new(0));
    let work = async {
        let from = Tcc::register(Arc::clone(&client) as _, "alice", alice.clone()).await?;
        let to = Tcc::register(Arc::clone(&client) as _, "bob", bob.clone()).await?;
        for cents in [3_000, 8_000] {
            transfer(&client, (&from, &to), cents).await?;
            let (alice, bob) = (alice.with(|books| books.balance), bob.with(|books| books.balance));
            println!("alice has {alice} cents, bob {bob}");
        }
        Ok(())
    };
    tokio::select! {
        result = work => result,
        () = participants.serve(listener) => Err("nobody is served any more".into()),
    }
}

/// Both, or neither.
async fn transfer(
    client: &Arc<Client>,
    (from, to): (&Tcc<Account>, &Tcc<Account>),
    cents: i64,
) -> Result<(), Box<dyn Error>> {
    let done = global_tx(client, "transfer", Duration::from_secs(30), async |tx: Tx| {
        from.call(&Posting { cents: -cents }).await?;
        to.call(&Posting { cents }).await?;
        Ok::<_, synod_client::rm::CallError<String>>(tx.xid().cloned())
    });
    let xid = match done.await {
        Ok(xid) => {
            println!("{cents} cents: committed");
            xid
        }
        Err(TxError::RolledBack { xid, error }) => {
            println!("{cents} cents: rolled back, because {error}");
            Some(xid)
        }
        // It may have committed: whoever says "failed" here pays twice.
        Err(error) => return Err(error.into()),
    };
    if let Some(xid) = xid {
        let end = client.wait(xid.as_str(), Duration::from_secs(10)).await?;
        println!("  all have been told: {:?}", end.standing);
    }
    Ok(())
}
