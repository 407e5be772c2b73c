//! A coordinator, a client of it, participants that are served here, and accounts that keep a diary.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_client::Xid;
use synod_client::native::{Client, Participants, Standing};
use synod_client::rm::tcc::{Action, Tcc};
use synod_client::rm::{Branch, CallError, EndError};
use synod_e2e::{Instance, Request, Synod};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Longest time until a decided transaction has ended.
const END: Duration = Duration::from_secs(30);
/// Failed calls are repeated soon.
const AGAIN: Duration = Duration::from_millis(100);

pub(crate) struct House {
    synod: Option<Synod>,
    /// To be changed by [`House::speak_through`].
    pub(crate) client: Arc<Client>,
    /// One that loses nothing.
    direct: Client,
    pub(crate) participants: Arc<Participants>,
    port: u16,
    _serving: JoinSet<()>,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_as(Synod::start(&[]), None).await
    }

    /// With participants that are called by the name of a service, if one is given.
    pub(crate) async fn start_as(synod: Synod, service: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let base =
            service.map_or_else(|| format!("http://{address}"), |service| format!("synod://{service}"));
        let participants = Participants::new(&base).expect("a URL");
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&participants).serve(listener));
        let url = format!("http://{}", synod.address());
        let client = Arc::new(client(&url, &participants));
        let direct = self::client(&url, &participants).patience(END);
        Self { synod: Some(synod), client, direct, participants, port: address.port(), _serving: serving }
    }

    pub(crate) fn synod(&self) -> &Synod {
        self.synod.as_ref().expect("it runs")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.synod().address())
    }

    pub(crate) fn speak_through(&mut self, url: &str) {
        self.client = Arc::new(client(url, &self.participants).patience(Duration::from_secs(2)));
    }

    pub(crate) fn kill9(&mut self) {
        self.synod.as_mut().expect("it runs").kill9();
    }

    /// On a thread of its own: others want to go on meanwhile.
    pub(crate) async fn restart(&mut self) {
        let synod = self.synod.take().expect("it was there");
        self.synod = Some(tokio::task::spawn_blocking(|| synod.restart()).await.expect("it comes back"));
    }

    /// How a decided transaction ends.
    pub(crate) async fn end(&self, xid: &Xid) -> Standing {
        let transaction = self.direct.wait(xid.as_str(), END).await.expect("it is known");
        assert!(transaction.ended, "it has not ended: {transaction:?}");
        transaction.standing
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        let diary = Diary::default();
        let backend = Arc::clone(&self.client) as _;
        let tcc = Tcc::register(backend, name, diary.clone()).await.expect("registered");
        Account { tcc, diary }
    }

    /// Registers the participants' address as an instance of a service.
    pub(crate) fn announce(&self, service: &str) {
        let mut instance = Instance::new(service, "participants-1");
        instance.host = "127.0.0.1".to_owned();
        let mut body = instance.object();
        body["port"]["$"] = self.port.into();
        let body = serde_json::json!({ "instance": body }).to_string();
        self.synod().send(&Request::post_json(&format!("/eureka/apps/{service}"), body)).expect(204);
    }
}

fn client(url: &str, participants: &Arc<Participants>) -> Client {
    let client = Client::new([url]).expect("a URL");
    client.retry_interval(AGAIN).participants(Arc::clone(participants))
}

/// The ids of the transactions of a name.
pub(crate) fn lists(synod: &Synod, name: &str) -> Vec<String> {
    let page = synod.send(&Request::get(&format!("/v1/transactions?name={name}"))).expect(200).json();
    let rows = page["transactions"].as_array().expect("a list").clone();
    rows.iter().map(|row| row["xid"].as_str().expect("a text").to_owned()).collect()
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) amount: u32,
}

impl Order {
    pub(crate) const AMOUNT: u32 = 5;
}

/// What a participant was called for. A call that was done before is done again without a trace, as a barrier would have it; how often each
/// of them came is not what these tests are about.
#[derive(Clone, Default)]
pub(crate) struct Diary {
    steps: Arc<Mutex<Vec<(Xid, String, String)>>>,
    held: Arc<AtomicBool>,
}

impl Diary {
    pub(crate) fn write(&self, branch: &Branch, step: String) {
        let entry = (branch.xid.clone(), branch.id.to_string(), step);
        let mut steps = self.steps.lock().expect("nobody panics");
        if !steps.contains(&entry) {
            steps.push(entry);
        }
    }

    fn end(&self, branch: &Branch, step: String) -> Result<(), EndError> {
        if self.held.load(Ordering::SeqCst) {
            return Err(EndError::Again("held, as the test wants".to_owned()));
        }
        self.write(branch, step);
        Ok(())
    }

    /// In order. All are of one branch.
    pub(crate) fn steps(&self, xid: &Xid) -> Vec<String> {
        let steps = self.steps.lock().expect("nobody panics");
        let of_xid: Vec<_> = steps.iter().filter(|(of, ..)| of == xid).collect();
        assert!(of_xid.windows(2).all(|two| two[0].1 == two[1].1), "one branch: {of_xid:?}");
        of_xid.into_iter().map(|(_, _, step)| step.clone()).collect()
    }
}

impl Action for Diary {
    type Input = Order;
    type Output = u32;
    type Error = String;

    async fn try_(&self, branch: &Branch, order: &Order) -> Result<u32, String> {
        self.write(branch, format!("try {}", order.amount));
        if order.amount > 100 { Err(format!("{} is too much", order.amount)) } else { Ok(order.amount) }
    }

    async fn confirm(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        self.end(branch, format!("confirm {}", order.amount))
    }

    async fn cancel(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        self.end(branch, format!("cancel {}", order.amount))
    }
}

pub(crate) struct Account {
    tcc: Tcc<Diary>,
    diary: Diary,
}

impl Account {
    pub(crate) async fn call(&self, amount: u32) -> Result<u32, CallError<String>> {
        self.tcc.call(&Order { amount }).await
    }

    pub(crate) fn steps(&self, xid: &Xid) -> Vec<String> {
        self.diary.steps(xid)
    }

    pub(crate) fn hold(&self, held: bool) {
        self.diary.held.store(held, Ordering::SeqCst);
    }
}
