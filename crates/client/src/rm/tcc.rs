//! TCC: try, then confirm or cancel.
//!
//! [`Action::try_`] sets something aside, [`Action::confirm`] takes it, [`Action::cancel`] gives it back. The branch joins *before* the try,
//! so that a try of which nobody knows the end is cancelled too. Therefore a cancel may come without a try, or before it, and any
//! of them twice: a barrier in the action's own database sorts this out, by the branch that each of them is given.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::input::{CallError, enlist, read};
use super::{Backend, BoxFuture, Branch, EndError, EnlistError, Kind, Resource};

/// What is done in two steps.
pub trait Action: Send + Sync + 'static {
    /// What it is called with. The coordinator keeps it as JSON and gives it to the second step. Make it an object (a struct
    /// with named fields) where participants in Java read it.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What the try gives back.
    type Output: Send;
    /// Why the try failed.
    type Error: Send;

    /// Sets aside what is needed, so that a confirm cannot fail for good. May come after the cancel, and must then do nothing.
    fn try_(
        &self,
        branch: &Branch,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// Takes what was set aside. Repeated until it is done; may come twice.
    fn confirm(
        &self,
        branch: &Branch,
        input: &Self::Input,
    ) -> impl Future<Output = Result<(), EndError>> + Send;

    /// Gives back what was set aside, if anything was. Repeated until it is done; may come twice.
    fn cancel(
        &self,
        branch: &Branch,
        input: &Self::Input,
    ) -> impl Future<Output = Result<(), EndError>> + Send;
}

/// An action that is registered, to be called. Cheap to clone.
pub struct Tcc<A> {
    backend: Arc<dyn Backend>,
    resource: Arc<str>,
    action: Arc<A>,
}

impl<A> Clone for Tcc<A> {
    fn clone(&self) -> Self {
        let (backend, action) = (Arc::clone(&self.backend), Arc::clone(&self.action));
        Self { backend, resource: Arc::clone(&self.resource), action }
    }
}

impl<A> fmt::Debug for Tcc<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcc").field("resource", &self.resource).finish_non_exhaustive()
    }
}

impl<A: Action> Tcc<A> {
    /// Registers `action` as `resource`: from now on its branches are ended here.
    ///
    /// # Errors
    /// It is refused, or the coordinator cannot be asked.
    pub async fn register(backend: Arc<dyn Backend>, resource: &str, action: A) -> Result<Self, EnlistError> {
        let (resource, action): (Arc<str>, _) = (resource.into(), Arc::new(action));
        let ends = Arc::new(Ends(Arc::clone(&action)));
        backend.register(Arc::clone(&resource), Kind::Tcc, ends).await?;
        Ok(Self { backend, resource, action })
    }

    /// Joins the global transaction of the context, and tries.
    ///
    /// # Errors
    /// See [`CallError`]. Whoever gets one should roll back: what was tried is then cancelled.
    pub async fn call(&self, input: &A::Input) -> Result<A::Output, CallError<A::Error>> {
        let branch = enlist(&*self.backend, (&self.resource, Kind::Tcc), input).await?;
        self.action.try_(&branch, input).await.map_err(CallError::Failed)
    }
}

/// The second step, as coordinators call it.
struct Ends<A>(Arc<A>);

impl<A: Action> Resource for Ends<A> {
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async { self.0.confirm(branch, &read(branch)?).await })
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async { self.0.cancel(branch, &read(branch)?).await })
    }
}
