//! Sagas: done at once, compensated if the others fail.
//!
//! A [`Step`] serves in two ways. The coordinator calls both of its halves, in a saga that was written down beforehand (feature
//! `native`: `native::Saga`, served by `native::Participants`). Or whoever works in a global transaction calls it by [`Saga::call`],
//! as an annotated method is called in Java: the action runs at once, and is compensated if the transaction is rolled back.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::input::{CallError, enlist, read};
use super::{Backend, BoxFuture, Branch, EndError, EnlistError, Kind, Resource};

/// Why an action has not been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// No, and it stays so: the saga turns back.
    #[error("refused: {0}")]
    Refused(String),
    /// It is being done: ask again.
    #[error("not done yet")]
    Ongoing,
    /// It failed: try again. Perhaps it has been done all the same.
    #[error("failed: {0}")]
    Failed(String),
}

/// What is done, and undone.
pub trait Step: Send + Sync + 'static {
    /// What it is called with, as JSON.
    type Input: Serialize + DeserializeOwned + Send + Sync;

    /// Does it. May come twice, and after its compensation: then it must do nothing.
    fn action(
        &self,
        branch: &Branch,
        input: &Self::Input,
    ) -> impl Future<Output = Result<(), StepError>> + Send;

    /// Undoes it, if it was done. Repeated until it is done; may come twice, and before the action.
    fn compensate(
        &self,
        branch: &Branch,
        input: &Self::Input,
    ) -> impl Future<Output = Result<(), EndError>> + Send;
}

/// A step that is registered, to be called within global transactions. Cheap to clone.
pub struct Saga<S> {
    backend: Arc<dyn Backend>,
    resource: Arc<str>,
    step: Arc<S>,
}

impl<S> Clone for Saga<S> {
    fn clone(&self) -> Self {
        let (backend, step) = (Arc::clone(&self.backend), Arc::clone(&self.step));
        Self { backend, resource: Arc::clone(&self.resource), step }
    }
}

impl<S> fmt::Debug for Saga<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saga").field("resource", &self.resource).finish_non_exhaustive()
    }
}

impl<S: Step> Saga<S> {
    /// Registers `step` as `resource`: from now on it is compensated here.
    ///
    /// # Errors
    /// It is refused, or the coordinator cannot be asked.
    pub async fn register(backend: Arc<dyn Backend>, resource: &str, step: S) -> Result<Self, EnlistError> {
        let (resource, step): (Arc<str>, _) = (resource.into(), Arc::new(step));
        let compensates = Arc::new(Compensates(Arc::clone(&step)));
        backend.register(Arc::clone(&resource), Kind::Saga, compensates).await?;
        Ok(Self { backend, resource, step })
    }

    /// Joins the global transaction of the context, and does it.
    ///
    /// # Errors
    /// See [`CallError`]. Also what failed is compensated when the transaction is rolled back: perhaps it was done all the same.
    pub async fn call(&self, input: &S::Input) -> Result<(), CallError<StepError>> {
        let branch = enlist(&*self.backend, (&self.resource, Kind::Saga), input).await?;
        self.step.action(&branch, input).await.map_err(CallError::Failed)
    }
}

struct Compensates<S>(Arc<S>);

impl<S: Step> Resource for Compensates<S> {
    fn commit<'a>(&'a self, _branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async { Ok(()) })
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async { self.0.compensate(branch, &read(branch)?).await })
    }
}
