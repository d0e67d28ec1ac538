//! The loop that hands due tasks to workers that have room.
//!
//! Sleeps until the next task is due and is woken when something nearer arrives or a slot comes free; a
//! slow poll stands behind both. Claims never exceed free slots, so a claimed attempt starts at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_core::SessionId;
use distrack_store::{ClaimRequest, Claimed, Hint, Slot, StoreError};
use distrack_telemetry::spans;
use distrack_telemetry::traces::now;
use tracing::{info, warn};

use crate::Coordinator;
use crate::deliver;
use crate::pause::jittered;
use crate::unreadable;
use crate::vacancy::Vacancy;

/// The wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);
/// The first wait when tasks are due that were not to be had; doubled each time, up to the poll.
const CONTENDED: Duration = Duration::from_millis(10);

/// Runs until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>) {
    let mut due = coordinator.store.wakeup(Hint::Due);
    let mut dispatch = Dispatch { doubtful: Vec::new(), contended: CONTENDED, reachable: true };
    while !coordinator.shutdown.is_cancelled() {
        // Registered before looking: a slot that comes free in between is not missed.
        let vacated = coordinator.fleet.vacated.notified();
        let pause = dispatch.round(&coordinator).await;
        tokio::select! {
            () = due.wait() => coordinator.metrics.wakeups.with_label_values(&["hint"]).inc(),
            () = vacated => coordinator.metrics.wakeups.with_label_values(&["slot"]).inc(),
            () = tokio::time::sleep(pause) => coordinator.metrics.wakeups.with_label_values(&["timer"]).inc(),
            () = coordinator.shutdown.cancelled() => return,
        }
    }
}

struct Dispatch {
    /// Slots of claims whose answer never came: tasks may be claimed for them that nobody knows of. Bounded by the slots
    /// of the fleet, since each is in it once.
    doubtful: Vec<Slot>,
    /// How long to wait before due tasks that were not to be had are tried again.
    contended: Duration,
    reachable: bool,
}

impl Dispatch {
    /// Claims what there is and returns how long nothing more can be done.
    async fn round(&mut self, coordinator: &Arc<Coordinator>) -> Duration {
        match self.claim_until_dry(coordinator).await {
            Ok(pause) => {
                self.reachable = true;
                pause
            }
            Err(error) => {
                if std::mem::replace(&mut self.reachable, false) {
                    warn!(%error, "cannot claim");
                }
                jittered(RETRY)
            }
        }
    }

    /// Claims as long as there is something to claim. Returns how long nothing can be due.
    async fn claim_until_dry(&mut self, coordinator: &Arc<Coordinator>) -> Result<Duration, StoreError> {
        let poll = coordinator.settings.poll_interval;
        let mut next = None;
        self.settle_doubts(coordinator).await?;
        while !coordinator.shutdown.is_cancelled() {
            let heard_within = coordinator.late_after();
            let vacancies = coordinator.fleet.vacancies(coordinator.settings.claim_limit, heard_within);
            let patience = vacancies.rest.map_or(poll, |rest| poll.min(rest));
            if vacancies.kinds.is_empty() {
                return Ok(patience);
            }
            let mut claimed = 0;
            for vacancy in vacancies.kinds {
                claimed += self.claim(coordinator, vacancy).await?;
            }
            if claimed > 0 {
                self.contended = CONTENDED;
                next = None;
                continue;
            }
            // Asked for before the last look: what falls due in between is claimed by that look, never slept over.
            let Some(next_due) = next else {
                next = Some(coordinator.store.next_due().await?);
                continue;
            };
            let patience = patience.min(next_due.due_in.unwrap_or(poll));
            if !next_due.ready {
                self.contended = CONTENDED;
                return Ok(patience);
            }
            // No worker here may have them, or another coordinator had its hands on them for a moment.
            let contended = self.contended;
            self.contended = (contended * 2).min(poll);
            return Ok(patience.min(contended));
        }
        Ok(poll)
    }

    /// Makes the workers of doubtful claims register anew, which gives back what they do not hold.
    async fn settle_doubts(&mut self, coordinator: &Coordinator) -> Result<(), StoreError> {
        if self.doubtful.is_empty() {
            return Ok(());
        }
        // Not before the database answers: registering needs it.
        coordinator.store.schema().await?;
        let doubtful = std::mem::take(&mut self.doubtful);
        let detached =
            doubtful.iter().filter(|slot| coordinator.fleet.detach(slot.session, slot.attach)).count();
        info!(workers = detached, "a claim got no answer: its workers are asked what they hold");
        Ok(())
    }

    async fn claim(&mut self, coordinator: &Arc<Coordinator>, vacancy: Vacancy) -> Result<usize, StoreError> {
        let slots = vacancy.slots;
        let (asked, asked_at) = (Instant::now(), now());
        let request = ClaimRequest {
            coordinator: coordinator.id,
            queues: vacancy.queues,
            labels: vacancy.labels,
            slots: slots.clone(),
            trace_policy: coordinator.settings.trace_policy,
        };
        let claims = match coordinator.store.claim(request).await {
            Ok(claims) => claims,
            Err(error) => {
                coordinator.metrics.claims.with_label_values(&["failed"]).inc();
                if !matches!(error, StoreError::Unavailable(_)) {
                    self.doubtful.extend(slots);
                    self.doubtful.sort_unstable();
                    self.doubtful.dedup();
                }
                return Err(error);
            }
        };
        let count = claims.claimed.len() + claims.unreadable.len();
        let result = if count == 0 { "empty" } else { "hit" };
        coordinator.metrics.claims.with_label_values(&[result]).inc();
        if count > 0 {
            coordinator.metrics.claim_size.observe(count as f64);
            coordinator.fleet.filled(count);
        }
        unreadable::fail(coordinator, claims.unreadable);
        let attached: HashMap<_, _> = slots.into_iter().map(|slot| (slot.session, slot)).collect();
        let contexts: Vec<_> = if coordinator.traces.is_on() {
            claims.claimed.iter().map(|claimed| claimed.trace.clone()).collect()
        } else {
            Vec::new()
        };
        let between = (asked_at, now());
        for (session, batch) in by_session(claims.claimed) {
            deliver::start(coordinator, attached[&session], batch, asked);
        }
        spans::claim(&coordinator.traces, coordinator.settings.database, &contexts, between);
        Ok(count)
    }
}

fn by_session(claimed: Vec<Claimed>) -> HashMap<SessionId, Vec<Claimed>> {
    let mut batches: HashMap<_, Vec<_>> = HashMap::new();
    for claimed in claimed {
        batches.entry(claimed.session).or_default().push(claimed);
    }
    batches
}
