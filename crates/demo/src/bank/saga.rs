//! A step of a saga: done at once when Synod asks for it, and undone if another bank cannot do its own.

use synod_client::rm::saga::{Step, StepError};
use synod_client::rm::{Branch, EndError};
use synod_client::sql::Op;

use super::account::Account;
use super::posting::{NotDone, Posting};
use super::vault::Vault;

impl<DB: Vault> Step for Account<DB> {
    type Input = Posting;

    async fn action(&self, branch: &Branch, posting: &Posting) -> Result<(), StepError> {
        match self.step(branch.into(), Op::Action, *posting).await {
            Ok(_) => Ok(()),
            Err(NotDone::Refused(why)) => Err(StepError::Refused(why)),
            Err(NotDone::Failed(why)) => Err(StepError::Failed(why)),
        }
    }

    async fn compensate(&self, branch: &Branch, posting: &Posting) -> Result<(), EndError> {
        Ok(self.step(branch.into(), Op::Compensate, *posting).await.map(drop)?)
    }
}
