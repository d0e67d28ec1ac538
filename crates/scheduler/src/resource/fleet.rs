//! Workers and queues as the API shows them.

use std::collections::BTreeMap;

use distrack_core::WorkerId;
use distrack_store::{QueueSnapshot, WorkerSession, WorkerState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;
use crate::stamp::Stamp;

/// Workers' sessions that are open or were lost lately.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkerList {
    /// The sessions.
    pub(crate) workers: Vec<WorkerResource>,
}

/// A worker's session.
#[derive(Serialize, ToSchema)]
#[schema(as = Worker)]
pub(crate) struct WorkerResource {
    /// The worker, the same after a restart.
    #[schema(value_type = Uuid)]
    worker_id: WorkerId,
    /// What people call it.
    name: String,
    /// Its machine.
    host: String,
    /// Where it is dialled.
    address: String,
    /// Its version.
    version: String,
    /// What its commands are held to, such as `cgroup, run_as nobody`; null of a worker that does not say.
    isolation: Option<String>,
    #[schema(schema_with = schema::worker_state)]
    state: &'static str,
    /// Whether it takes no new work.
    draining: bool,
    /// How many attempts it runs at once.
    slots: u32,
    /// Attempts that it holds.
    held: u32,
    /// The queues that it serves; null for all.
    queues: Option<Vec<String>>,
    /// What it has.
    labels: BTreeMap<String, String>,
    /// When the session began.
    registered_at: Stamp,
    /// The last heartbeat.
    last_heartbeat_at: Stamp,
    /// When the session is lost unless another heartbeat comes.
    lease_expires_at: Stamp,
    /// Other open sessions that advertise the same address, which is a mistake in the fleet's settings.
    same_address: u32,
}

impl From<WorkerSession> for WorkerResource {
    fn from(session: WorkerSession) -> Self {
        Self {
            worker_id: session.worker,
            name: session.name,
            host: session.host,
            address: session.address,
            version: session.version,
            isolation: session.isolation,
            state: match session.state {
                WorkerState::Alive => "alive",
                WorkerState::Late => "late",
                WorkerState::Lost => "lost",
            },
            draining: session.draining,
            slots: session.slots,
            held: session.held,
            queues: session.queues.map(|queues| queues.into_iter().map(String::from).collect()),
            labels: session.labels,
            registered_at: session.registered_at.into(),
            last_heartbeat_at: session.last_heartbeat_at.into(),
            lease_expires_at: session.lease_expires_at.into(),
            same_address: session.same_address,
        }
    }
}

/// Every queue with a task that has not ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueList {
    /// The queues.
    pub(crate) queues: Vec<QueueResource>,
}

/// How a queue stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub(crate) struct QueueResource {
    /// Its name.
    queue: String,
    /// Tasks whose time has not come.
    scheduled: u64,
    /// Tasks that are due and wait for a slot.
    ready: u64,
    /// Tasks claimed and not started yet.
    dispatched: u64,
    /// Tasks that run.
    running: u64,
    /// The age of the oldest task that is due and not claimed, in seconds.
    lag_seconds: f64,
}

impl From<QueueSnapshot> for QueueResource {
    fn from(queue: QueueSnapshot) -> Self {
        Self {
            queue: queue.queue.into(),
            scheduled: queue.scheduled,
            ready: queue.ready,
            dispatched: queue.dispatched,
            running: queue.running,
            lag_seconds: queue.lag.as_secs_f64(),
        }
    }
}
