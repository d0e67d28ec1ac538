//! Gauges of the whole fleet, from the database: every coordinator shows the same values.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_store::StoreError;
use tracing::debug;

use crate::Coordinator;

const EVERY: Duration = Duration::from_secs(5);
/// A snapshot takes at most this part of the time.
const SHARE: u32 = 20;

/// Runs until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>) {
    loop {
        let started = Instant::now();
        if let Err(error) = take(&coordinator).await {
            debug!(%error, "no snapshot");
        }
        if coordinator.wait(EVERY.max(started.elapsed() * SHARE)).await.is_stopping() {
            return;
        }
    }
}

async fn take(coordinator: &Coordinator) -> Result<(), StoreError> {
    coordinator.metrics.show_queues(&coordinator.store.queue_snapshot().await?);
    coordinator.metrics.show_workers(&coordinator.store.workers().await?);
    Ok(())
}
