//! What time takes: sessions that fell silent, tasks past their deadline, history past its retention.
//!
//! Every coordinator sweeps; each step is idempotent and skips what another one has locked.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::TaskState;
use distrack_store::Swept;
use tracing::{info, warn};

use crate::pause::jittered;
use crate::{Coordinator, told};

const SWEEP_EVERY: Duration = Duration::from_secs(1);
const SWEEP_LIMIT: u32 = 500;
/// Sweeps that are further apart than this are not one watch; the store holds the same.
const GAP: TimeDelta = TimeDelta::seconds(5);
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const PRUNE_LIMIT: u32 = 1000;

/// Loses sessions, their attempts and tasks past their deadline, until the coordinator stops.
///
/// Loses no session until sweeps have gone on without a gap for `lost_after`, by the database's clock: after an
/// outage, or a pause of this machine, every lease has run out, and the workers must have the time to say that
/// they live.
pub(crate) async fn sweep(coordinator: Arc<Coordinator>) {
    let mut watch = Watch::default();
    let mut full = false;
    loop {
        let pause = if full { Duration::ZERO } else { jittered(SWEEP_EVERY) };
        if coordinator.wait(pause).await.is_stopping() {
            return;
        }
        if coordinator.renewals.overdue(coordinator.overdue_after()) {
            // Whoever is heard here may look lost only because that cannot be stored.
            watch.ended();
        }
        let last = watch.trusted(coordinator.settings.lost_after);
        full = match coordinator.store.sweep(SWEEP_LIMIT, last).await {
            Ok(swept) => {
                watch.swept(swept.at);
                coordinator.clock.reads(swept.at);
                tell(&coordinator, &swept)
            }
            Err(error) => {
                if watch.ended() {
                    warn!(%error, "cannot sweep");
                }
                false
            }
        };
    }
}

/// Since when sweeps have gone on without a gap, by the database's clock.
#[derive(Debug, Default)]
struct Watch {
    since: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

impl Watch {
    /// The last sweep, once the watch has been kept for `grace`.
    fn trusted(&self, grace: Duration) -> Option<DateTime<Utc>> {
        self.last.filter(|last| self.since.is_some_and(|since| since + grace <= *last))
    }

    fn swept(&mut self, at: DateTime<Utc>) {
        let unbroken = self.last.is_some_and(|last| at - last < GAP);
        self.since = self.since.filter(|_| unbroken).or(Some(at));
        self.last = Some(at);
    }

    /// A sweep failed. True if it is the first one in a row.
    fn ended(&mut self) -> bool {
        std::mem::take(self).last.is_some()
    }
}

/// Says what a sweep found. True if there may be more of it.
fn tell(coordinator: &Coordinator, swept: &Swept) -> bool {
    let metrics = &coordinator.metrics;
    metrics.sessions_lost.inc_by(swept.sessions_lost.len() as u64);
    for queue in &swept.tasks_expired {
        metrics.ended(queue.as_str(), TaskState::Expired);
    }
    for (session, worker) in &swept.sessions_lost {
        warn!(%session, worker, "worker lost");
    }
    told::lost(coordinator, &swept.attempts_lost);
    if !swept.tasks_expired.is_empty() {
        info!(tasks = swept.tasks_expired.len(), "tasks expired before they could start");
    }
    let limit = SWEEP_LIMIT as usize;
    swept.attempts_lost.len() >= limit || swept.tasks_expired.len() >= limit
}

/// Removes what is older than its retention, until the coordinator stops.
pub(crate) async fn prune(coordinator: Arc<Coordinator>) {
    loop {
        if coordinator.wait(jittered(PRUNE_EVERY)).await.is_stopping() {
            return;
        }
        loop {
            match coordinator.store.prune(coordinator.settings.retention, PRUNE_LIMIT).await {
                Ok(pruned)
                    if [pruned.tasks, pruned.keys, pruned.sessions, pruned.audit]
                        .contains(&u64::from(PRUNE_LIMIT)) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_lost_until_sweeps_have_gone_on_for_the_grace_without_a_gap() {
        let grace = Duration::from_secs(3);
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let mut watch = Watch::default();
        assert_eq!(watch.trusted(grace), None);
        (0..3).for_each(|second| watch.swept(at(second)));
        assert_eq!(watch.trusted(grace), None);
        watch.swept(at(3));
        assert_eq!(watch.trusted(grace), Some(at(3)));
        watch.swept(at(600));
        assert_eq!(watch.trusted(grace), None, "the machine was asleep");
        (601..=603).for_each(|second| watch.swept(at(second)));
        assert_eq!(watch.trusted(grace), Some(at(603)));
        assert!(watch.ended());
        assert!(!watch.ended());
        assert_eq!(watch.trusted(grace), None, "the database was away");
    }
}
