//! Actions and steps over a coordinator that keeps what it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::saga::{Saga, Step, StepError};
use super::tcc::{Action, Tcc};
use super::*;
use crate::context::{self, Context};

#[derive(Default)]
struct Fake {
    resources: Mutex<HashMap<Arc<str>, Arc<dyn Resource>>>,
    branches: Mutex<Vec<Branch>>,
    refuses: bool,
}

impl Fake {
    /// Ends the one branch there is.
    async fn end(&self, forward: bool) -> Result<(), EndError> {
        let [branch] = <[Branch; 1]>::try_from(self.branches.lock().unwrap().clone()).unwrap();
        let resource = Arc::clone(&self.resources.lock().unwrap()[&branch.resource]);
        if forward { resource.commit(&branch).await } else { resource.rollback(&branch).await }
    }
}

impl Backend for Fake {
    fn register<'a>(
        &'a self,
        id: Arc<str>,
        _kind: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>> {
        self.resources.lock().unwrap().insert(id, resource);
        Box::pin(async { Ok(()) })
    }

    fn enlist(&self, new: NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>> {
        Box::pin(async move {
            if self.refuses {
                return Err(EnlistError::NotActive("decided".to_owned()));
            }
            let NewBranch { xid, resource, kind, data, .. } = new;
            let branch = Branch { xid, id: "1".into(), resource, kind, data };
            self.branches.lock().unwrap().push(branch.clone());
            Ok(branch)
        })
    }

    fn failed<'a>(&'a self, _branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>> {
        // A branch that is reported as failed is not cancelled by a Seata server.
        panic!("a try that failed is to be cancelled like any other");
    }

    fn is_free<'a>(&'a self, _: &'a Xid, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<bool, EnlistError>> {
        Box::pin(async { Ok(true) })
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    amount: u32,
}

/// Writes down what it is asked.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, what: &str, branch: &Branch, order: &Order) {
        self.0.lock().unwrap().push(format!("{what} {} {} {}", branch.xid, branch.id, order.amount));
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Action for Diary {
    type Input = Order;
    type Output = u32;
    type Error = &'static str;

    async fn try_(&self, branch: &Branch, order: &Order) -> Result<u32, &'static str> {
        self.write("try", branch, order);
        if order.amount > 100 { Err("no money") } else { Ok(order.amount + 1) }
    }

    async fn confirm(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        self.write("confirm", branch, order);
        Ok(())
    }

    async fn cancel(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        self.write("cancel", branch, order);
        Err(EndError::Again("later".to_owned()))
    }
}

impl Step for Diary {
    type Input = Order;

    async fn action(&self, branch: &Branch, order: &Order) -> Result<(), StepError> {
        self.write("action", branch, order);
        if order.amount > 100 { Err(StepError::Refused("no money".to_owned())) } else { Ok(()) }
    }

    async fn compensate(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        self.write("compensate", branch, order);
        Ok(())
    }
}

async fn inside<F: Future>(work: F) -> F::Output {
    let xid = Some(Xid::parse("h:1:2").unwrap());
    let deadline = Some(crate::clock::now() + Duration::from_secs(1));
    context::scope(Context { xid, deadline, ..Context::default() }, work).await
}

#[tokio::test]
async fn an_action_joins_and_tries_and_gets_its_input_back() {
    let (fake, diary) = (Arc::new(Fake::default()), Diary::default());
    let action = Tcc::register(Arc::clone(&fake) as _, "stock", diary.clone()).await.unwrap();
    assert_eq!(inside(action.call(&Order { amount: 7 })).await.unwrap(), 8);
    let joined = fake.branches.lock().unwrap()[0].clone();
    assert_eq!((joined.kind, &*joined.resource, &*joined.data), (Kind::Tcc, "stock", &b"{\"amount\":7}"[..]));
    fake.end(true).await.unwrap();
    assert!(matches!(fake.end(false).await, Err(EndError::Again(_))), "what it says is what is told");
    assert_eq!(diary.read(), ["try h:1:2 1 7", "confirm h:1:2 1 7", "cancel h:1:2 1 7"]);
    // What nobody can read any more is for a person.
    fake.branches.lock().unwrap()[0].data = Bytes::from_static(b"{}");
    assert!(matches!(fake.end(true).await, Err(EndError::Never(_))));
}

#[tokio::test]
async fn what_has_not_joined_is_not_tried() {
    let (fake, diary) = (Arc::new(Fake { refuses: true, ..Fake::default() }), Diary::default());
    let action = Tcc::register(Arc::clone(&fake) as _, "stock", diary.clone()).await.unwrap();
    assert!(matches!(action.call(&Order { amount: 7 }).await, Err(CallError::NoTransaction)));
    let refused = inside(action.call(&Order { amount: 7 })).await;
    assert!(matches!(refused, Err(CallError::NotJoined(EnlistError::NotActive(_)))));
    assert_eq!(diary.read().len(), 0);
}

#[tokio::test]
async fn a_failed_try_is_cancelled_like_any_other() {
    let (fake, diary) = (Arc::new(Fake::default()), Diary::default());
    let action = Tcc::register(Arc::clone(&fake) as _, "stock", diary.clone()).await.unwrap();
    assert!(matches!(inside(action.call(&Order { amount: 101 })).await, Err(CallError::Failed("no money"))));
    fake.end(false).await.unwrap_err();
    assert_eq!(diary.read(), ["try h:1:2 1 101", "cancel h:1:2 1 101"]);
}

#[tokio::test]
async fn a_step_is_done_at_once_and_compensated() {
    let (fake, diary) = (Arc::new(Fake::default()), Diary::default());
    let step = Saga::register(Arc::clone(&fake) as _, "mail", diary.clone()).await.unwrap();
    inside(step.call(&Order { amount: 7 })).await.unwrap();
    assert_eq!(fake.branches.lock().unwrap()[0].kind, Kind::Saga);
    fake.end(true).await.unwrap();
    assert_eq!(diary.read(), ["action h:1:2 1 7"], "a commit asks for nothing");
    fake.end(false).await.unwrap();
    assert_eq!(diary.read(), ["action h:1:2 1 7", "compensate h:1:2 1 7"]);
}
