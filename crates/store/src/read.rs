//! Arguments and results of the steps that only look.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{QueueName, SessionId, TaskId, TaskState, WorkerId};

/// Which tasks to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only this state.
    pub state: Option<TaskState>,
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only one of these queues: all that the caller may see.
    pub queues: Option<Vec<QueueName>>,
    /// Only tasks that carry all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Only tasks accepted after this instant.
    pub created_after: Option<DateTime<Utc>>,
    /// Only tasks accepted before this instant.
    pub created_before: Option<DateTime<Utc>>,
    /// Only tasks after this place in the list.
    pub cursor: Option<Cursor>,
    /// At most so many.
    pub limit: u32,
}

/// A place in a list of tasks: right after this one. Stays right while rows change, since ids never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub TaskId);

/// How a worker's heartbeat stands, by the store's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Heard in time.
    Alive,
    /// Three heartbeats missed, not lost yet.
    Late,
    /// The lease ran out; its attempts are or will be lost.
    Lost,
}

/// A worker's session, as a coordinator last saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSession {
    /// The session.
    pub session: SessionId,
    /// The worker.
    pub worker: WorkerId,
    /// What people call it.
    pub name: String,
    /// Its machine.
    pub host: String,
    /// Where it is dialled.
    pub address: String,
    /// Its version.
    pub version: String,
    /// What its commands are held to, in a few words; `None` of a worker that does not say.
    pub isolation: Option<String>,
    /// How its heartbeat stands.
    pub state: WorkerState,
    /// Whether it takes no new work.
    pub draining: bool,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Attempts that it holds by the database.
    pub held: u32,
    /// The queues that it serves; `None` for all.
    pub queues: Option<Vec<QueueName>>,
    /// What it has.
    pub labels: BTreeMap<String, String>,
    /// When the session began.
    pub registered_at: DateTime<Utc>,
    /// The last heartbeat.
    pub last_heartbeat_at: DateTime<Utc>,
    /// When the session is lost unless another heartbeat comes.
    pub lease_expires_at: DateTime<Utc>,
    /// Other live sessions that advertise the same address: a mistake in the fleet's settings.
    pub same_address: u32,
}

/// Connections to the database for one purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// What for.
    pub lane: &'static str,
    /// Those that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// The most there may be.
    pub max: u32,
}

/// How a queue stands, at one instant of the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// Its name.
    pub queue: QueueName,
    /// Pending and not due yet.
    pub scheduled: u64,
    /// Pending and due: waiting for a slot.
    pub ready: u64,
    /// Claimed, not started yet.
    pub dispatched: u64,
    /// Running.
    pub running: u64,
    /// The age of the oldest ready task; zero when there is none.
    pub lag: Duration,
}
