//! Undo logs that were left behind, as by participants that died with the work of cleaning up in their queues: once a day a
//! participant of each resource is told to delete what is older than any transaction.

use std::time::Duration;

use crate::call::seata::Channels;
use crate::config::SeataConfig;
use crate::task::Stopping;

/// How long after the start for the first time: by then participants have come back.
const FIRST: Duration = Duration::from_secs(180);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Has undo logs cleaned up until the node stops; never, if that is what the configuration says.
pub async fn clean_up(channels: Channels, config: SeataConfig, mut stopping: Stopping) {
    let days = config.undo_keep.as_secs().div_ceil(DAY.as_secs());
    if days == 0 {
        return;
    }
    let mut pause = FIRST.min(config.undo_clean);
    while tokio::time::timeout(pause, stopping.given()).await.is_err() {
        let resources = channels.delete_undo_logs(i16::try_from(days).unwrap_or(i16::MAX));
        tracing::debug!(resources, days, "participants were told to delete old undo logs");
        pause = config.undo_clean;
    }
}
