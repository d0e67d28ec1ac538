//! What is on each dashboard.

mod internals;
mod latency;
mod overview;
mod queues;
mod slo;
mod workers;

use crate::alert::Alert;
use crate::dashboard::Dashboard;

/// All of them, the one to begin with first.
pub fn dashboards() -> Vec<Dashboard> {
    vec![
        overview::dashboard(),
        queues::dashboard(),
        workers::dashboard(),
        latency::dashboard(),
        internals::dashboard(),
        slo::dashboard(),
    ]
}

// Alerts that more than one dashboard shows.
const QUEUE_LAG_HIGH: Alert = Alert::above("DistrackQueueLagHigh", 60.0);
const DISPATCH_STALLED: Alert = Alert::named("DistrackDispatchStalled");
const NO_WORKERS: Alert = Alert::named("DistrackNoWorkers");
const WORKER_HEARTBEAT_STALE: Alert = Alert::above("DistrackWorkerHeartbeatStale", 15.0);
const ATTEMPTS_LOST: Alert = Alert::named("DistrackAttemptsLost");
const INTAKE_REFUSING: Alert = Alert::named("DistrackIntakeRefusing");
const CANARY_STALE: Alert = Alert::above("DistrackCanaryStale", 120.0);
const CANARY_FAILING: Alert = Alert::named("DistrackCanaryFailing");

/// The line of a panel of queues that stands for none.
const IDLE: &str = "no queue has tasks";

// What an empty panel says, where several have the same reason.
const NO_COORDINATOR: &str = "No coordinator is scraped";
const NO_SCHEDULER: &str = "No scheduler is scraped";
const NO_WORKER: &str = "No worker is scraped";
const NO_RULES: &str = "No recording rules, or no coordinator is scraped";
const NO_QUEUE: &str = "No queue has tasks, no recording rules, or no coordinator is scraped";
const NO_TASK: &str = "No task in this time";
