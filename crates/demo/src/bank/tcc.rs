//! TCC: the money is frozen, or awaited, and that is confirmed or cancelled.

use synod_client::rm::tcc::Action;
use synod_client::rm::{Branch, EndError};
use synod_client::sql::Op;

use super::account::Account;
use super::posting::{NotDone, Posting};
use super::vault::Vault;

impl<DB: Vault> Action for Account<DB> {
    type Input = Posting;
    type Output = String;
    type Error = NotDone;

    async fn try_(&self, branch: &Branch, posting: &Posting) -> Result<String, NotDone> {
        self.step(branch.into(), Op::Try, *posting).await
    }

    async fn confirm(&self, branch: &Branch, posting: &Posting) -> Result<(), EndError> {
        Ok(self.step(branch.into(), Op::Confirm, *posting).await.map(drop)?)
    }

    async fn cancel(&self, branch: &Branch, posting: &Posting) -> Result<(), EndError> {
        Ok(self.step(branch.into(), Op::Cancel, *posting).await.map(drop)?)
    }
}
