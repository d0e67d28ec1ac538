//! Gauges of the whole fleet, from the database: every coordinator shows the same values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_store::{StoreError, WorkerSession, WorkerState};
use tracing::{debug, warn};

use crate::Coordinator;

const EVERY: Duration = Duration::from_secs(5);
/// A snapshot takes at most this part of the time, unless it would be too old for alerts then.
const SHARE: u32 = 20;
/// The longest rest between two of them.
const MOST: Duration = Duration::from_secs(30);

/// Runs until the coordinator stops.
pub(crate) async fn run(coordinator: Arc<Coordinator>) {
    let mut said = BTreeSet::new();
    loop {
        let started = Instant::now();
        let rest = match take(&coordinator).await {
            Ok(workers) => {
                name_shared_addresses(&workers, &mut said);
                (started.elapsed() * SHARE).clamp(EVERY, MOST)
            }
            Err(error) => {
                debug!(%error, "no snapshot");
                EVERY
            }
        };
        if coordinator.wait(rest).await.is_stopping() {
            return;
        }
    }
}

async fn take(coordinator: &Coordinator) -> Result<Vec<WorkerSession>, StoreError> {
    let queues = coordinator.store.queue_snapshot().await?;
    let workers = coordinator.store.workers().await?;
    coordinator.gauges.show(coordinator.clock.now(), &queues, &workers);
    Ok(workers)
}

/// Warns once of each address that several live workers advertise: only one of them can be reached.
fn name_shared_addresses(workers: &[WorkerSession], said: &mut BTreeSet<String>) {
    let mut sharing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for worker in workers {
        if worker.same_address > 0 && worker.state != WorkerState::Lost {
            sharing.entry(&worker.address).or_default().push(format!("{} ({})", worker.name, worker.worker));
        }
    }
    said.retain(|address| sharing.contains_key(address.as_str()));
    for (address, workers) in sharing {
        if said.insert(address.to_owned()) {
            warn!(
                address,
                workers = workers.join(", "),
                "several workers advertise one address: \
                  give each its own --worker_address or port"
            );
        }
    }
}
