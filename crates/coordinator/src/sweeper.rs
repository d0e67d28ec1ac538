//! What time takes: sessions that fell silent, tasks past their deadline, history past its retention.
//!
//! Every coordinator sweeps; each step is idempotent and skips what another one has locked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::Coordinator;
use crate::pause::jittered;

const SWEEP_EVERY: Duration = Duration::from_secs(1);
const SWEEP_LIMIT: u32 = 500;
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const PRUNE_LIMIT: u32 = 1000;

/// Loses sessions, their attempts and tasks past their deadline, until the coordinator stops.
///
/// Does nothing until this coordinator and the database have been there for `lost_after`: after an outage
/// every lease has run out, and the workers must have the time to say that they live.
pub(crate) async fn sweep(coordinator: Arc<Coordinator>) {
    let mut answering_since = None;
    loop {
        if coordinator.wait(jittered(SWEEP_EVERY)).await.is_stopping() {
            return;
        }
        let since = *answering_since.get_or_insert_with(Instant::now);
        let graced = since.elapsed() >= coordinator.settings.lost_after;
        let swept = if graced { sweep_once(&coordinator).await } else { probe(&coordinator).await };
        if let Err(error) = swept {
            if graced {
                warn!(%error, "cannot sweep");
            }
            answering_since = None;
        }
    }
}

async fn probe(coordinator: &Coordinator) -> Result<(), distrack_store::StoreError> {
    coordinator.store.schema().await.map(|_| ())
}

async fn sweep_once(coordinator: &Coordinator) -> Result<(), distrack_store::StoreError> {
    let swept = coordinator.store.sweep(SWEEP_LIMIT, rand::random()).await?;
    let metrics = &coordinator.metrics;
    metrics.sessions_lost.inc_by(swept.sessions_lost.len() as u64);
    metrics.attempts_lost.inc_by(swept.attempts_lost.len() as u64);
    metrics.tasks_expired.inc_by(swept.tasks_expired);
    for (session, worker) in &swept.sessions_lost {
        warn!(%session, worker, "worker lost");
    }
    for attempt in &swept.attempts_lost {
        warn!(task_id = %attempt.task, epoch = attempt.epoch, "attempt lost with its worker");
    }
    if swept.tasks_expired > 0 {
        info!(tasks = swept.tasks_expired, "tasks expired before they could start");
    }
    Ok(())
}

/// Removes what is older than its retention, until the coordinator stops.
pub(crate) async fn prune(coordinator: Arc<Coordinator>) {
    loop {
        if coordinator.wait(jittered(PRUNE_EVERY)).await.is_stopping() {
            return;
        }
        loop {
            match coordinator.store.prune(coordinator.settings.retention, PRUNE_LIMIT).await {
                Ok(pruned) if pruned.tasks == u64::from(PRUNE_LIMIT) => {}
                Ok(_) => break,
                Err(error) => {
                    warn!(%error, "cannot prune");
                    break;
                }
            }
            // Small batches with room between them: nobody waits behind a pruning.
            if coordinator.wait(Duration::from_millis(50)).await.is_stopping() {
                return;
            }
        }
    }
}
