//! A coordinator in memory: it keeps locks as Seata's does, and ends branches when it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use synod_client::Xid;
use synod_client::rm::{Backend, BoxFuture, Branch, EndError, EnlistError, Kind, NewBranch, Resource};

#[derive(Default)]
pub(crate) struct Fake(Mutex<State>);

#[derive(Default)]
struct State {
    resource: Option<(Arc<str>, Arc<dyn Resource>)>,
    branches: Vec<Branch>,
    /// Who holds a row, by `table:key`.
    held: HashMap<String, Xid>,
    /// What branches said they have changed, and what they said about themselves.
    said: Vec<(String, String)>,
    failed: Vec<Arc<str>>,
    /// The next branch is rolled back while it joins, as by a time-out.
    rolls_back_next: bool,
    /// Who holds rows is being rolled back.
    rolling_back: bool,
    questions: u32,
}

impl Fake {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn resource(&self) -> Arc<dyn Resource> {
        Arc::clone(&self.state().resource.as_ref().unwrap().1)
    }

    pub(crate) fn resource_id(&self) -> Arc<str> {
        Arc::clone(&self.state().resource.as_ref().unwrap().0)
    }

    /// What the last branch has changed, and what it said.
    pub(crate) fn said(&self) -> (String, String) {
        self.state().said.last().cloned().unwrap()
    }

    pub(crate) fn branches(&self) -> Vec<Branch> {
        self.state().branches.clone()
    }

    pub(crate) fn failed(&self) -> usize {
        self.state().failed.len()
    }

    /// How often it was asked for locks.
    pub(crate) fn questions(&self) -> u32 {
        self.state().questions
    }

    pub(crate) fn hold(&self, row: &str, xid: &Xid) {
        self.state().held.insert(row.to_owned(), xid.clone());
    }

    pub(crate) fn let_go(&self, row: &str) {
        self.state().held.remove(row);
    }

    pub(crate) fn set_rolling_back(&self, rolling_back: bool) {
        self.state().rolling_back = rolling_back;
    }

    pub(crate) fn roll_back_next(&self) {
        self.state().rolls_back_next = true;
    }

    /// Ends the branches of a transaction, the last one first.
    pub(crate) async fn end(&self, xid: &Xid, commit: bool) -> Result<(), EndError> {
        let mine = self.branches().into_iter().filter(|branch| branch.xid == *xid).rev();
        for branch in mine.collect::<Vec<_>>() {
            self.end_branch(&branch, commit).await?;
            self.state().branches.retain(|left| left.id != branch.id);
        }
        self.state().held.retain(|_, holder| holder != xid);
        Ok(())
    }

    pub(crate) async fn end_branch(&self, branch: &Branch, commit: bool) -> Result<(), EndError> {
        let resource = self.resource();
        if commit { resource.commit(branch).await } else { resource.rollback(branch).await }
    }

    pub(crate) async fn tidy(&self, older_than: Duration) {
        self.resource().tidy(older_than).await;
    }

    /// A branch that has never been here.
    pub(crate) fn unknown(&self, xid: &Xid, id: &str) -> Branch {
        let (xid, id, resource) = (xid.clone(), id.into(), self.resource_id());
        Branch { xid, id, resource, kind: Kind::At, data: Default::default() }
    }
}

/// `table:a,b;table2:c` as `table:a`, `table:b`, `table2:c`.
pub(crate) fn rows(text: &str) -> Vec<String> {
    let of_table = |part: &str| {
        let (table, keys) = part.split_once(':').unwrap();
        keys.split(',').map(|key| format!("{table}:{key}")).collect::<Vec<_>>()
    };
    text.split(';').flat_map(of_table).collect()
}

impl Backend for Fake {
    fn register<'a>(
        &'a self,
        id: Arc<str>,
        _: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>> {
        self.state().resource = Some((id, resource));
        Box::pin(async { Ok(()) })
    }

    fn enlist(&self, new: NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>> {
        Box::pin(async move {
            let (branch, rolled_back) = {
                let mut state = self.state();
                state.questions += 1;
                let mine = |row: &String| state.held.get(row).is_none_or(|holder| *holder == new.xid);
                if let Some(row) = rows(&new.rows).iter().find(|row| !mine(row)) {
                    return Err(match state.rolling_back {
                        true => EnlistError::ConflictWithRollback(row.clone()),
                        false => EnlistError::Conflict(row.clone()),
                    });
                }
                for row in rows(&new.rows) {
                    state.held.insert(row, new.xid.clone());
                }
                let id: Arc<str> = (1000 + state.said.len()).to_string().into();
                state.said.push((new.rows, String::from_utf8(new.data.to_vec()).unwrap()));
                let (xid, resource, kind, data) = (new.xid, new.resource, new.kind, new.data);
                let branch = Branch { xid, id, resource, kind, data };
                state.branches.push(branch.clone());
                (branch, std::mem::take(&mut state.rolls_back_next))
            };
            if rolled_back {
                self.end_branch(&branch, false).await.unwrap();
            }
            Ok(branch)
        })
    }

    fn failed<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>> {
        let mut state = self.state();
        state.failed.push(Arc::clone(&branch.id));
        state.branches.retain(|left| left.id != branch.id);
        state.held.retain(|_, holder| *holder != branch.xid);
        Box::pin(async { Ok(()) })
    }

    fn is_free<'a>(
        &'a self,
        xid: &'a Xid,
        _: &'a str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<bool, EnlistError>> {
        let mut state = self.state();
        state.questions += 1;
        let free = rows(text).iter().all(|row| state.held.get(row).is_none_or(|holder| holder == xid));
        Box::pin(async move { Ok(free) })
    }
}
