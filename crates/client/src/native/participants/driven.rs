//! Steps as a coordinator calls them that drives the whole saga.

use crate::rm::saga::{Step, StepError};
use crate::rm::{BoxFuture, Branch, EndError};

pub(super) trait Driven: Send + Sync {
    fn act<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), StepError>>;
    fn undo<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>>;
}

impl<S: Step> Driven for S {
    fn act<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(async {
            // Somebody else has written it: what cannot be read is refused.
            let input = serde_json::from_slice(&branch.data)
                .map_err(|error| StepError::Refused(format!("the payload cannot be read: {error}")))?;
            self.action(branch, &input).await
        })
    }

    fn undo<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async {
            match serde_json::from_slice(&branch.data) {
                Ok(input) => self.compensate(branch, &input).await,
                // Then the action has refused it, and there is nothing to undo.
                Err(_) => Ok(()),
            }
        })
    }
}
