//! A task's way in time: each phase with its beginning and its end.

use chrono::{DateTime, Utc};

use crate::attempt::Attempt;
use crate::state::TaskState;
use crate::task::Task;
use crate::why::Facts;

/// What a task is in from one instant to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It was accepted: an instant.
    Submitted,
    /// It waits for its time.
    Scheduled,
    /// It is due and waits to be claimed.
    Ready,
    /// It is claimed, and its command has not started.
    Dispatched,
    /// Its command runs.
    Running,
    /// An attempt ended and the next one is not due yet.
    Backoff,
    /// An attempt ended and the next one was not claimed yet; when that was due is no longer stored.
    Waiting,
    /// It ended: an instant.
    Ended,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 8] = [
        Self::Submitted,
        Self::Scheduled,
        Self::Ready,
        Self::Dispatched,
        Self::Running,
        Self::Backoff,
        Self::Waiting,
        Self::Ended,
    ];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Dispatched => "dispatched",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
        }
    }
}

/// One phase of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub phase: Phase,
    /// The attempt that it belongs to or leads to, from 1; 0 for the task's own.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it goes on.
    pub ended_at: Option<DateTime<Utc>>,
}

/// The phases of a task, in the order in which they began. One without length is left out.
pub fn timeline(facts: &Facts) -> Vec<Step> {
    let task = &facts.task;
    let mut steps = Steps(vec![Step {
        phase: Phase::Submitted,
        attempt: 0,
        started_at: task.created_at,
        ended_at: Some(task.created_at),
    }]);
    let mut from = task.created_at;
    for (index, attempt) in facts.attempts.iter().enumerate() {
        let Some(picked) = attempt.picked_at else { continue };
        let is_last = index + 1 == facts.attempts.len() && !waits_again(task, attempt);
        steps.until_claimed(task, index, is_last, attempt.attempt, from, picked);
        let ended = attempt.finished_at;
        steps.push(Phase::Dispatched, attempt.attempt, picked, attempt.started_at.or(ended));
        if let Some(started) = attempt.started_at {
            steps.push(Phase::Running, attempt.attempt, started, ended);
        }
        from = ended.unwrap_or(picked);
    }
    let waits = facts.attempts.last().is_none_or(|last| waits_again(task, last));
    if waits {
        steps.waits(facts, from);
    }
    if let Some(at) = task.finished_at.filter(|_| task.state.is_terminal()) {
        steps.0.push(Step { phase: Phase::Ended, attempt: 0, started_at: at, ended_at: Some(at) });
    }
    steps.0
}

/// Whether the task went on, or ended, after this attempt instead of with it.
fn waits_again(task: &Task, last: &Attempt) -> bool {
    match task.state {
        TaskState::Pending | TaskState::Expired => true,
        TaskState::Cancelled => last.finished_at != task.finished_at,
        TaskState::Dispatched | TaskState::Running | TaskState::Completed | TaskState::Failed => false,
    }
}

struct Steps(Vec<Step>);

impl Steps {
    fn push(&mut self, phase: Phase, attempt: u32, from: DateTime<Utc>, to: Option<DateTime<Utc>>) {
        if to.is_none_or(|to| to > from) {
            self.0.push(Step { phase, attempt, started_at: from, ended_at: to });
        }
    }

    /// From an instant to a claim: `due_at` is known of the first attempt and of the last one.
    fn until_claimed(
        &mut self,
        task: &Task,
        index: usize,
        is_last: bool,
        attempt: u32,
        from: DateTime<Utc>,
        picked: DateTime<Utc>,
    ) {
        let (phase, due) = match (index, is_last) {
            (0, _) => (Phase::Scheduled, task.scheduled_at),
            (_, true) => (Phase::Backoff, task.due_at),
            (_, false) => return self.push(Phase::Waiting, attempt, from, Some(picked)),
        };
        let due = due.clamp(from, picked.max(from));
        self.push(phase, attempt, from, Some(due));
        self.push(Phase::Ready, attempt, due, Some(picked));
    }

    /// From an instant on, for a task that waits or ended while it did.
    fn waits(&mut self, facts: &Facts, from: DateTime<Utc>) {
        let task = &facts.task;
        let next = task.attempt + 1;
        let phase = if facts.attempts.is_empty() { Phase::Scheduled } else { Phase::Backoff };
        let ended = task.finished_at.filter(|_| task.state.is_terminal());
        let end = ended.unwrap_or(facts.now).max(from);
        if task.due_at > end {
            return self.push(phase, next, from, ended);
        }
        let due = task.due_at.max(from);
        self.push(phase, next, from, Some(due));
        self.push(Phase::Ready, next, due, ended);
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
