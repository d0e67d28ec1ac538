//! The loop that hands due tasks to workers that have room.
//!
//! Sleeps until the next task is due and is woken when something nearer arrives or a slot comes free; a
//! slow poll stands behind both. Claims never exceed free slots, so a claimed attempt starts at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::SessionId;
use distrack_store::{ClaimRequest, Claimed, Hint, StoreError};
use tracing::warn;

use crate::Coordinator;
use crate::deliver;
use crate::fleet::Vacancy;

/// The wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);

/// Runs until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>) {
    let mut due = coordinator.store.wakeup(Hint::Due);
    let mut reachable = true;
    while !coordinator.shutdown.is_cancelled() {
        // Registered before looking: a slot that comes free in between is not missed.
        let vacated = coordinator.fleet.vacated.notified();
        let pause = match claim_until_dry(&coordinator).await {
            Ok(pause) => {
                reachable = true;
                pause
            }
            Err(error) => {
                if std::mem::replace(&mut reachable, false) {
                    warn!(%error, "cannot claim");
                }
                RETRY
            }
        };
        tokio::select! {
            () = due.wait() => coordinator.metrics.wakeups.with_label_values(&["hint"]).inc(),
            () = vacated => coordinator.metrics.wakeups.with_label_values(&["slot"]).inc(),
            () = tokio::time::sleep(pause) => coordinator.metrics.wakeups.with_label_values(&["timer"]).inc(),
            () = coordinator.shutdown.cancelled() => return,
        }
    }
}

/// Claims as long as there is something to claim. Returns how long nothing can be due.
async fn claim_until_dry(coordinator: &Arc<Coordinator>) -> Result<Duration, StoreError> {
    let poll = coordinator.settings.poll_interval;
    let mut next_due = None;
    while !coordinator.shutdown.is_cancelled() {
        let heard_within = coordinator.settings.heartbeat_interval * 3;
        let vacancies = coordinator.fleet.vacancies(coordinator.settings.claim_limit, heard_within);
        if vacancies.is_empty() {
            return Ok(poll);
        }
        let mut claimed = 0;
        for vacancy in vacancies {
            claimed += claim(coordinator, vacancy).await?;
        }
        if claimed > 0 {
            next_due = None;
            continue;
        }
        // Asked for before the last look: what falls due in between is claimed by that look, never slept over.
        match next_due {
            Some(next_due) => return Ok(poll.min(next_due)),
            None => next_due = Some(coordinator.store.next_due().await?.unwrap_or(poll)),
        }
    }
    Ok(poll)
}

async fn claim(coordinator: &Arc<Coordinator>, vacancy: Vacancy) -> Result<usize, StoreError> {
    let request = ClaimRequest {
        coordinator: coordinator.id,
        queues: vacancy.queues,
        labels: vacancy.labels,
        slots: vacancy.slots,
    };
    let claimed = coordinator.store.claim(request).await?;
    let result = if claimed.is_empty() { "empty" } else { "hit" };
    coordinator.metrics.claims.with_label_values(&[result]).inc();
    let count = claimed.len();
    if count > 0 {
        coordinator.metrics.claim_size.observe(count as f64);
    }
    for (session, batch) in by_session(claimed) {
        for claimed in &batch {
            coordinator.metrics.wait_seconds.observe(claimed.waited.as_secs_f64());
        }
        deliver::start(coordinator, session, batch);
    }
    Ok(count)
}

fn by_session(claimed: Vec<Claimed>) -> HashMap<SessionId, Vec<Claimed>> {
    let mut batches: HashMap<_, Vec<_>> = HashMap::new();
    for claimed in claimed {
        batches.entry(claimed.session).or_default().push(claimed);
    }
    batches
}
