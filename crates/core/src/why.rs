//! Why a task stands as it does, in words: what it waits for, what it is doing, or what happened to it.
//!
//! Pure: everything is decided from what the database says at one instant of its clock. What cannot be known from
//! there is not said. Start reading at [`explain`].

mod ended;
#[cfg(test)]
pub(crate) mod fixtures;
mod fleet;
mod held;
mod waiting;
pub mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::attempt::Attempt;
use crate::id::SessionId;
use crate::outcome::{Cause, Outcome};
use crate::spec::QueueName;
use crate::state::TaskState;
use crate::task::Task;

/// The most tasks that are counted as being before another one: counting costs the same whatever the backlog.
pub const MOST_AHEAD: u32 = 10_000;

/// What the database says of a task, and of whatever may have to do with it, at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The instant.
    pub now: DateTime<Utc>,
    /// The task.
    pub task: Task,
    /// Its attempts, oldest first, the held one included.
    pub attempts: Vec<Attempt>,
    /// Due tasks of its queue that are claimed before it, at most one more than [`MOST_AHEAD`]; 0 unless it is due.
    pub ahead: u32,
    /// Those of them that require labels: a worker without these passes them by.
    pub ahead_requiring: u32,
    /// While it waits: every open session, and those lost lately. While it is held: the session that holds it. Once
    /// it has ended: the open sessions of workers by the name of the one that had it.
    pub sessions: Vec<Serving>,
}

/// A worker's session, as far as it matters to a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    /// The session.
    pub session: SessionId,
    /// What people call the worker.
    pub name: String,
    /// Whether the session has ended.
    pub ended: bool,
    /// Whether the worker takes no new work.
    pub draining: bool,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Attempts that it holds by the database.
    pub held: u32,
    /// When the command that has run longest on it started.
    pub oldest_started_at: Option<DateTime<Utc>>,
    /// When what it holds was last claimed.
    pub newest_picked_at: Option<DateTime<Utc>>,
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
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// The kind of a reason: a closed set, stable for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])* $name),* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in the API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

codes! {
    /// Its time has not come.
    NotDue = "not_due";
    /// A retry waits for its backoff.
    Backoff = "backoff";
    /// Its worker was lost, and it waits a moment before it meets the next one.
    AfterLoss = "after_loss";
    /// Its deadline passed; it is about to expire.
    DeadlinePassed = "deadline_passed";
    /// It expires unless it starts in time.
    Expires = "expires";
    /// No worker is alive.
    NoWorker = "no_worker";
    /// No live worker serves its queue.
    NoWorkerForQueue = "no_worker_for_queue";
    /// No live worker of its queue has the labels that it requires.
    NoWorkerWithLabels = "no_worker_with_labels";
    /// The only workers that could run it take no new work.
    OnlyDraining = "only_draining";
    /// The only workers that could run it have missed heartbeats.
    WorkersLate = "workers_late";
    /// Leases ran out and nobody ended their sessions.
    NoCoordinator = "no_coordinator";
    /// Every slot that it could have is taken.
    SlotsBusy = "slots_busy";
    /// Other due tasks of its queue come first.
    TasksAhead = "tasks_ahead";
    /// A slot is free: it is about to be claimed.
    AboutToStart = "about_to_start";
    /// A slot is free, yet nobody claims it.
    NotClaimed = "not_claimed";
    /// It was claimed, and given back because its worker did not take it.
    GivenBack = "given_back";
    /// A worker has it, and has not said that the command started.
    Dispatched = "dispatched";
    /// Its command runs.
    Running = "running";
    /// When its command is stopped for running too long.
    TimesOut = "times_out";
    /// A user asked to cancel it; its worker has not confirmed that yet.
    CancelRequested = "cancel_requested";
    /// The worker that holds it has missed heartbeats.
    WorkerLate = "worker_late";
    /// The worker that holds it is lost; the attempt is about to be reclaimed.
    WorkerLost = "worker_lost";
    /// The worker that holds it takes no new work, and stops when what it runs has ended.
    WorkerDraining = "worker_draining";
    /// An attempt before this one ended.
    TriedBefore = "tried_before";
    /// It completed.
    Completed = "completed";
    /// It failed; the task's `cause` names what of.
    Failed = "failed";
    /// A user cancelled it.
    Cancelled = "cancelled";
    /// It did not start before its deadline.
    Expired = "expired";
    /// It started later than it was asked to.
    StartedLate = "started_late";
    /// It was due and waited until a worker had a slot for it.
    WaitedForSlot = "waited_for_slot";
    /// It was due before the worker that ran it was there.
    WaitedForWorker = "waited_for_worker";
    /// A worker had it and took its time to start it.
    WaitedForStart = "waited_for_start";
}

/// One reason, with its numbers. A number that does not belong to it is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// Its kind.
    pub code: Code,
    /// For a person: a clause without a full stop.
    pub text: String,
    /// What would change it, for a person.
    pub change: Option<String>,
    /// The duration that it speaks of.
    pub lasts: Option<Duration>,
    /// The instant that it speaks of.
    pub at: Option<DateTime<Utc>>,
    /// Tasks that it counts; one more than [`MOST_AHEAD`] means more than that.
    pub tasks: Option<u32>,
    /// Workers that it counts.
    pub workers: Option<u32>,
    /// Slots that it counts.
    pub slots: Option<u32>,
    /// The attempt that it speaks of.
    pub attempt: Option<u32>,
    /// The worker that it speaks of.
    pub worker: Option<String>,
    /// The labels that are missing.
    pub requires: BTreeMap<String, String>,
}

impl Reason {
    fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            change: None,
            lasts: None,
            at: None,
            tasks: None,
            workers: None,
            slots: None,
            attempt: None,
            worker: None,
            requires: BTreeMap::new(),
        }
    }

    fn change(self, change: impl Into<String>) -> Self {
        Self { change: Some(change.into()), ..self }
    }

    fn lasts(self, lasts: Duration) -> Self {
        Self { lasts: Some(lasts), ..self }
    }

    fn at(self, at: DateTime<Utc>) -> Self {
        Self { at: Some(at), ..self }
    }

    fn workers(self, workers: usize) -> Self {
        Self { workers: Some(u32::try_from(workers).unwrap_or(u32::MAX)), ..self }
    }

    fn slots(self, slots: u32) -> Self {
        Self { slots: Some(slots), ..self }
    }

    fn attempt(self, attempt: u32) -> Self {
        Self { attempt: Some(attempt), ..self }
    }

    fn worker(self, worker: Option<&str>) -> Self {
        Self { worker: worker.map(str::to_owned), ..self }
    }
}

/// Why a task stands as it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The whole in one sentence without a full stop, and without the task as its subject.
    pub summary: String,
    /// Each reason, the one that matters most first.
    pub reasons: Vec<Reason>,
    /// While it waits and is not due: it does not start before this instant. When it will start is not known.
    pub not_before: Option<DateTime<Utc>>,
}

/// Says why a task stands as it does.
pub fn explain(facts: &Facts) -> Why {
    match facts.task.state {
        TaskState::Pending => waiting::explain(facts),
        TaskState::Dispatched | TaskState::Running => held::explain(facts),
        TaskState::Completed | TaskState::Failed | TaskState::Cancelled | TaskState::Expired => {
            ended::explain(facts)
        }
    }
}

impl Facts {
    /// From one instant to a later one; zero when it is not later.
    fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
        (to - from).to_std().unwrap_or_default()
    }

    /// How long ago.
    fn since(&self, at: DateTime<Utc>) -> Duration {
        Self::between(at, self.now)
    }

    /// How long until then.
    fn until(&self, at: DateTime<Utc>) -> Duration {
        Self::between(self.now, at)
    }

    /// "attempt 2 of 5". A lost or interrupted attempt uses up none: after one the number says nothing of what is left.
    fn attempt_of(&self, attempt: u32) -> String {
        let free = |before: &&Attempt| {
            let cause = before.outcome.as_ref().and_then(|outcome| outcome.cause);
            before.attempt < attempt && matches!(cause, Some(Cause::WorkerLost | Cause::Interrupted))
        };
        match self.task.policy.max_attempts {
            most if attempt <= most && !self.attempts.iter().any(|before| free(&before)) => {
                format!("attempt {attempt} of {most}")
            }
            _ => format!("attempt {attempt}"),
        }
    }

    /// How often it was claimed in vain: each claim raises the epoch, and one that is given back leaves nothing else.
    fn given_back(&self) -> u32 {
        let claims = u32::try_from(self.task.epoch).unwrap_or(u32::MAX);
        claims.saturating_sub(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX))
    }

    /// The attempts that ended before the last one, the latest first, as reasons.
    fn tried_before(&self, last: Option<&Attempt>) -> impl Iterator<Item = Reason> {
        /// More say nothing new.
        const MOST: usize = 5;
        let before = self.attempts.iter().rev();
        let before = before.filter(move |attempt| last.is_none_or(|last| attempt.epoch < last.epoch));
        before.filter_map(|attempt| self.tried(attempt)).take(MOST)
    }

    fn tried(&self, attempt: &Attempt) -> Option<Reason> {
        let outcome = attempt.outcome.as_ref()?;
        let ran = attempt.started_at.zip(attempt.finished_at).map(|(from, to)| Self::between(from, to));
        let after = ran.map(|ran| format!(" after {}", words::span(ran))).unwrap_or_default();
        let on = words::on(attempt.worker.as_deref());
        let text = format!("attempt {}{on} ended with {}{after}", attempt.attempt, self.cause_of(outcome));
        let reason = Reason::new(Code::TriedBefore, text).attempt(attempt.attempt);
        Some(Reason { lasts: ran, at: attempt.finished_at, ..reason.worker(attempt.worker.as_deref()) })
    }

    /// How an attempt ended, as a noun.
    fn cause_of(&self, outcome: &Outcome) -> String {
        words::cause(outcome, self.task.spec.timeout())
    }
}
