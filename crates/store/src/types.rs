//! Arguments and results of the steps that change something.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{
    AttemptRef, Cause, CoordinatorId, InstanceId, NewTask, Outcome, Output, QueueName, SessionId, SpanId,
    TaskId, TaskSpec, TaskState, TraceContext, TraceId, TraceMode, TracePolicy, WorkerId,
};

/// A task to store, and the key under which it may be sent twice.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The task.
    pub task: NewTask,
    /// What makes a second submission the same one.
    pub key: Option<IdempotencyKey>,
}

/// A client's name for a submission. Keys live for 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The name.
    pub key: String,
    /// What was asked for under it; another hash under the same key is a conflict.
    pub request_hash: [u8; 32],
}

/// Whether the submissions of one call stand and fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitMode {
    /// Each is answered by itself.
    Each,
    /// If one has a key conflict, none is stored.
    AllOrNone,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// It is stored.
    Created {
        /// When it was accepted.
        created_at: DateTime<Utc>,
        /// When it is to run.
        scheduled_at: DateTime<Utc>,
    },
    /// The same submission was stored before, as this task.
    Replayed(TaskId),
    /// Another submission was stored under its key.
    KeyConflict,
}

/// What a user's cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The task was waiting and is cancelled now.
    Cancelled,
    /// A worker holds it and will be told; the task ends when the worker confirms.
    Requested,
    /// It has ended already; nothing changed.
    Ended,
    /// There is no such task.
    NotFound,
}

/// Slots that may be filled with due tasks of the same kind of worker.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who claims. Only sessions attached to it get tasks.
    pub coordinator: CoordinatorId,
    /// The queues that the workers serve; `None` for all.
    pub queues: Option<Vec<QueueName>>,
    /// What the workers have; a task's `requires` must be among it.
    pub labels: BTreeMap<String, String>,
    /// The free slots, in the order in which they are to be filled.
    pub slots: Vec<Slot>,
    /// Which traces the attempts get.
    pub trace_policy: TracePolicy,
}

/// A free slot of a registered worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Whose.
    pub session: SessionId,
    /// The registration that it was seen free in. A later one has reconciled, so that nothing is claimed for it.
    pub attach: i64,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claims {
    /// Attempts that begin.
    pub claimed: Vec<Claimed>,
    /// Attempts that begin, of tasks that this build cannot read, and why.
    pub unreadable: Vec<(AttemptRef, String)>,
}

/// When to look for due tasks next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextDue {
    /// Whether some are due already.
    pub ready: bool,
    /// From now until the next one is that is not due yet; `None` when there is none.
    pub due_in: Option<Duration>,
}

/// A task claimed for a session: an attempt begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The attempt.
    pub attempt: AttemptRef,
    /// Its number, from 1.
    pub number: u32,
    /// The session that it was claimed for.
    pub session: SessionId,
    /// The queue that the task waited in.
    pub queue: QueueName,
    /// What to run.
    pub spec: TaskSpec,
    /// The attempt's own position in its trace.
    pub trace: TraceContext,
    /// How that trace belongs to the submission's.
    pub mode: TraceMode,
    /// The submission's position in its trace.
    pub submission: TraceContext,
    /// The last attempt before this one, if there was one.
    pub previous: Option<(TraceId, SpanId)>,
    /// Since when it has waited: its submission, or the end of the attempt before.
    pub waiting_since: DateTime<Utc>,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// When it was claimed.
    pub picked_at: DateTime<Utc>,
}

impl Claimed {
    /// From the instant it was due to the claim.
    pub fn waited(&self) -> Duration {
        (self.picked_at - self.due_at).to_std().unwrap_or_default()
    }
}

/// What a worker says of an attempt. Durations are the worker's; the store anchors them to its own clock.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptReport {
    /// The attempt.
    pub attempt: AttemptRef,
    /// The session of who says so: of an attempt that another one holds, nothing is changed. None for a coordinator,
    /// which ends what it claimed itself.
    pub session: Option<SessionId>,
    /// Spreads the retry that may follow: 0.0 is at once, 1.0 the bound of the backoff.
    pub jitter: f64,
    /// What happened.
    pub event: AttemptEvent,
}

/// What happened to an attempt.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most are ends, and few are kept at a time")]
pub enum AttemptEvent {
    /// Its command started.
    Started {
        /// How long before now.
        ago: Duration,
    },
    /// It ended.
    Finished {
        /// How long before now.
        ago: Duration,
        /// From its start to its end; `None` when it never started.
        ran: Option<Duration>,
        /// How.
        outcome: Outcome,
        /// What it printed.
        output: Output,
    },
}

/// What a step of the store made of an attempt: all that is told of it, by the store's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The attempt.
    pub attempt: AttemptRef,
    /// Its number, from 1.
    pub number: u32,
    /// The queue that the task waited in.
    pub queue: QueueName,
    /// The worker that holds or held it.
    pub worker: Option<String>,
    /// The attempt's own position in its trace; `None` when what is stored of it cannot be read.
    pub trace: Option<TraceContext>,
    /// When the task was asked to run; when it was accepted, if that was later.
    pub scheduled_at: DateTime<Utc>,
    /// When the attempt was claimed.
    pub picked_at: DateTime<Utc>,
    /// When its command started; `None` if it never did.
    pub started_at: Option<DateTime<Utc>>,
    /// Whether it is this step that learned of the start.
    pub starts: bool,
    /// How it ended, if it did.
    pub end: Option<ProgressEnd>,
}

/// The end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressEnd {
    /// When.
    pub at: DateTime<Utc>,
    /// Why it failed; `None` is success.
    pub cause: Option<Cause>,
    /// The task's state from then on.
    pub next: TaskState,
}

/// What became of reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported {
    /// One for each report, in order.
    pub receipts: Vec<Receipt>,
    /// The attempts that changed, once each.
    pub progress: Vec<Progress>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is stored.
    Recorded,
    /// It was stored before.
    Duplicate,
    /// The attempt was superseded, lost, or is unknown; nothing changed.
    Stale,
}

/// What became of attempts that nobody runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// How many there were.
    pub attempts: u64,
    /// The queues of those whose task a user had cancelled: these ended.
    pub cancelled: Vec<QueueName>,
}

/// A worker that presents itself to a coordinator.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The worker.
    pub worker: WorkerId,
    /// Its process.
    pub instance: InstanceId,
    /// The process's own count of its registrations, from 1.
    pub sequence: u64,
    /// What people call it.
    pub name: String,
    /// Its machine.
    pub host: String,
    /// Where it is dialled.
    pub address: String,
    /// The coordinator that it attaches to.
    pub coordinator: CoordinatorId,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// The queues that it serves; `None` for all.
    pub queues: Option<Vec<QueueName>>,
    /// What it has.
    pub labels: BTreeMap<String, String>,
    /// Its version.
    pub version: String,
    /// What its commands are held to, in a few words, if it says so.
    pub isolation: Option<String>,
    /// Attempts that it runs or has results of.
    pub held: Vec<AttemptRef>,
    /// How long the session lives without a heartbeat.
    pub lost_after: Duration,
}

/// A session, reconciled.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// The session.
    pub session: SessionId,
    /// Rises with every registration of the session.
    pub attach: i64,
    /// Held attempts that are this session's.
    pub kept: Vec<AttemptRef>,
    /// Held attempts that are not, and must be stopped.
    pub kill: Vec<AttemptRef>,
    /// Kept attempts that a user cancelled.
    pub cancel: Vec<AttemptRef>,
    /// Attempts that were given back because this process never got them.
    pub released: Released,
    /// Attempts that were lost with the worker's previous process.
    pub lost: Vec<Progress>,
}

impl Registered {
    /// A session that holds nothing yet.
    pub fn new(session: SessionId, attach: i64) -> Self {
        Self {
            session,
            attach,
            kept: Vec::new(),
            kill: Vec::new(),
            cancel: Vec::new(),
            released: Released::default(),
            lost: Vec::new(),
        }
    }
}

/// A heartbeat that a coordinator received.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatSeen {
    /// Whose.
    pub session: SessionId,
    /// How long ago.
    pub ago: Duration,
    /// Slots in use.
    pub busy: u32,
    /// Whether the worker takes no new work.
    pub draining: bool,
}

/// Leases that were renewed, and what the workers should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Sessions whose lease is renewed. One that was asked for and is missing here has ended or moved.
    pub alive: Vec<SessionId>,
    /// Attempts held by this coordinator's sessions that a user cancelled.
    pub cancel: Vec<(SessionId, AttemptRef)>,
}

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Swept {
    /// When it swept, by the store's clock.
    pub at: DateTime<Utc>,
    /// Sessions whose lease ran out.
    pub sessions_lost: Vec<(SessionId, String)>,
    /// Attempts that were lost with a session.
    pub attempts_lost: Vec<Progress>,
    /// The queues of tasks whose `expires_at` passed before they started, one for each task.
    pub tasks_expired: Vec<QueueName>,
}

impl Swept {
    /// Whether it found nothing.
    pub fn is_empty(&self) -> bool {
        self.sessions_lost.is_empty() && self.attempts_lost.is_empty() && self.tasks_expired.is_empty()
    }
}

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Ended tasks, from their end.
    pub tasks: Duration,
    /// Ended sessions, from their end.
    pub sessions: Duration,
    /// Notes of who asked for what.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { tasks: 14 * DAY, sessions: DAY / 24, audit: 90 * DAY }
    }
}

/// What a pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ended tasks, with their attempts and output.
    pub tasks: u64,
    /// Idempotency keys past their time.
    pub keys: u64,
    /// Ended sessions.
    pub sessions: u64,
    /// Notes of who asked for what.
    pub audit: u64,
}

/// How the database's schema compares with this build's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// The database has every migration that this build knows.
    Current,
    /// It lacks some: `distrack migrate` must run.
    Older {
        /// The last migration that it has; 0 for none.
        found: i64,
        /// The last one that this build needs.
        needed: i64,
    },
}
