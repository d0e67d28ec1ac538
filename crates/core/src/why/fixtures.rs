//! Tasks, attempts and workers at instants of a made-up clock, for the tests of what is said of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Facts, Serving};
use crate::attempt::Attempt;
use crate::id::{SessionId, TaskId};
use crate::new_task::{NewTask, TaskDraft};
use crate::outcome::{Cause, Outcome};
use crate::state::TaskState;
use crate::trace::TraceContext;

/// When the task was accepted, and due.
pub(crate) fn accepted() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2030-01-31T12:00:00Z").unwrap().to_utc()
}

/// So many milliseconds after that.
pub(crate) fn at(millis: i64) -> DateTime<Utc> {
    accepted() + TimeDelta::milliseconds(millis)
}

/// A task of queue `etl` that is due since it was accepted, `millis` ago, with no fleet at all.
pub(crate) fn facts(draft: TaskDraft, millis: i64) -> Facts {
    let draft = TaskDraft { command: Some("true".to_owned()), queue: Some("etl".to_owned()), ..draft };
    let task = NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap();
    let task = task.accepted(accepted(), accepted());
    Facts { now: at(millis), task, attempts: Vec::new(), ahead: 0, ahead_requiring: 0, sessions: Vec::new() }
}

/// A worker with two slots that is well at `now` and serves every queue.
pub(crate) fn worker(name: &str, now: DateTime<Utc>) -> Serving {
    Serving {
        session: SessionId::new(),
        name: name.to_owned(),
        ended: false,
        draining: false,
        slots: 2,
        held: 0,
        oldest_started_at: None,
        newest_picked_at: None,
        queues: None,
        labels: [].into(),
        registered_at: now - TimeDelta::hours(1),
        last_heartbeat_at: now,
        lease_expires_at: now + TimeDelta::seconds(30),
    }
}

/// The worker was last heard so many seconds before `now`.
pub(crate) fn silent(worker: Serving, seconds: i64) -> Serving {
    let by = TimeDelta::seconds(seconds);
    Serving {
        last_heartbeat_at: worker.last_heartbeat_at - by,
        lease_expires_at: worker.lease_expires_at - by,
        ..worker
    }
}

/// An outcome of this cause.
pub(crate) fn ended_by(cause: Cause) -> Outcome {
    Outcome::failure(cause, "said so")
}

/// The command ended with this code.
pub(crate) fn exit(code: i32) -> Outcome {
    Outcome { exit_code: Some(code), ..ended_by(Cause::ExitCode) }
}

impl Facts {
    /// The next attempt is claimed on `w1`.
    pub(crate) fn claimed(mut self, picked: i64) -> Self {
        let task = &mut self.task;
        (task.epoch, task.attempt, task.state) = (task.epoch + 1, task.attempt + 1, TaskState::Dispatched);
        (task.picked_at, task.started_at, task.finished_at) = (Some(at(picked)), None, None);
        (task.worker, task.session, task.outcome) = (Some("w1".to_owned()), Some(SessionId::new()), None);
        self.attempts.push(Attempt {
            epoch: task.epoch,
            attempt: task.attempt,
            worker: task.worker.clone(),
            picked_at: task.picked_at,
            started_at: None,
            finished_at: None,
            outcome: None,
            trace_id: None,
            span_id: None,
            trace_mode: None,
        });
        self
    }

    /// Its command starts.
    pub(crate) fn started(mut self, started: i64) -> Self {
        self.task.state = TaskState::Running;
        self.task.started_at = Some(at(started));
        self.last().started_at = Some(at(started));
        self
    }

    /// The attempt ends, and the task comes to `state`.
    pub(crate) fn ended(mut self, finished: i64, outcome: Outcome, state: TaskState) -> Self {
        let task = &mut self.task;
        (task.finished_at, task.outcome, task.session) = (Some(at(finished)), Some(outcome.clone()), None);
        task.state = state;
        task.failures += u32::from(state == TaskState::Failed);
        let last = self.last();
        (last.finished_at, last.outcome) = (Some(at(finished)), Some(outcome));
        self
    }

    /// The attempt fails and the next one is due at `due`.
    pub(crate) fn failed(self, finished: i64, outcome: Outcome, due: i64) -> Self {
        let mut facts = self.ended(finished, outcome, TaskState::Pending);
        facts.task.failures += 1;
        facts.task.due_at = at(due);
        facts
    }

    /// The task ends while nobody holds it.
    pub(crate) fn gone(mut self, finished: i64, state: TaskState) -> Self {
        (self.task.state, self.task.finished_at) = (state, Some(at(finished)));
        self
    }

    fn last(&mut self) -> &mut Attempt {
        self.attempts.last_mut().unwrap()
    }
}

/// A draft that may be tried so often.
pub(crate) fn tried(attempts: u32) -> TaskDraft {
    TaskDraft { max_attempts: Some(attempts), ..TaskDraft::default() }
}

/// A draft with this timeout.
pub(crate) fn limited(seconds: u64) -> TaskDraft {
    TaskDraft { timeout: Some(Duration::from_secs(seconds)), ..TaskDraft::default() }
}
