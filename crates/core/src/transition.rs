//! The table of a task's life, as one pure function, and the verdict over an attempt that ended.
//!
//! Each SQL statement of the stores restates one row of [`TaskState::after`] in its `WHERE`.
//! Anything that this table does not allow is a bug.

use std::time::Duration;

use crate::outcome::{Cause, Outcome};
use crate::retry::{OnLost, RetryPolicy};
use crate::state::TaskState;

/// Losing its worker this often, the last time without another that may have been the cause, makes a task a poison task:
/// it fails instead of taking down a fourth.
pub const POISON_LOSSES: u32 = 3;
/// Losing its worker this often does so even if another task may have been the cause each time.
pub const MOST_LOSSES: u32 = 2 * POISON_LOSSES;

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A coordinator claimed the due task for a session: epoch and attempt rise by one.
    Claim,
    /// The session does not hold the epoch, or never got it: the attempt is given back.
    Release,
    /// The worker reported that the command runs.
    Start,
    /// The worker reported exit code 0.
    Complete,
    /// The attempt failed or was lost and another one is permitted, later.
    Retry,
    /// The attempt failed or was lost and no other one is permitted.
    Fail,
    /// A user's cancel took effect.
    Cancel,
    /// The deadline to start passed.
    Expire,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Claim,
        Self::Release,
        Self::Start,
        Self::Complete,
        Self::Retry,
        Self::Fail,
        Self::Cancel,
        Self::Expire,
    ];
}

impl TaskState {
    /// The state after `event`, or `None` when the event may not happen in this state.
    pub fn after(self, event: Event) -> Option<Self> {
        use TaskState::{Cancelled, Completed, Dispatched, Expired, Failed, Pending, Running};
        match (self, event) {
            (Pending, Event::Claim) => Some(Dispatched),
            (Pending, Event::Cancel) => Some(Cancelled),
            (Pending, Event::Expire) => Some(Expired),
            (Dispatched, Event::Release) => Some(Pending),
            (Dispatched, Event::Start) => Some(Running),
            (Dispatched | Running, Event::Complete) => Some(Completed),
            (Dispatched | Running, Event::Retry) => Some(Pending),
            (Dispatched | Running, Event::Fail) => Some(Failed),
            (Dispatched | Running, Event::Cancel) => Some(Cancelled),
            (Pending, _)
            | (Dispatched, Event::Claim | Event::Expire)
            | (Running, Event::Claim | Event::Release | Event::Start | Event::Expire)
            | (Completed | Failed | Cancelled | Expired, _) => None,
        }
    }
}

/// What the store knows of a task whose attempt just ended.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Attempts that ended by themselves without success.
    pub failures: u32,
    /// Attempts whose worker was lost.
    pub losses: u32,
    /// Whether a user asked to cancel while the attempt was held.
    pub cancel_requested: bool,
    /// What the task permits.
    pub policy: RetryPolicy,
}

/// How the attempt ended, seen from the store.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// The worker reported this outcome.
    Reported {
        /// What it reported.
        outcome: &'a Outcome,
        /// Whether the command ever ran.
        began: bool,
    },
    /// The session ended without a report.
    Lost {
        /// Whether another task on its last chance was lost with it, so that nobody can say which of them took the
        /// worker down: they are tried again, further and further apart, until one is lost alone.
        in_company: bool,
    },
}

/// What becomes of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The task's event: one of Complete, Retry, Fail, Cancel.
    pub event: Event,
    /// From now until the task is due again; zero unless the event is Retry.
    pub due_in: Duration,
    /// Failures, this attempt included.
    pub failures: u32,
    /// Losses, this attempt included.
    pub losses: u32,
    /// The outcome to record for the attempt.
    pub outcome: Outcome,
}

impl Standing {
    /// Whether the next loss may make it a poison task.
    pub fn is_on_last_chance(&self) -> bool {
        self.losses + 1 >= POISON_LOSSES
    }

    /// Decides what becomes of a task whose attempt ended. `jitter` in `0.0..=1.0` spreads retries.
    pub fn verdict(&self, ended: Ended<'_>, jitter: f64) -> Verdict {
        let (outcome, losses, may_run_again) = match ended {
            Ended::Reported { outcome, began } => {
                (outcome.clone(), self.losses, self.policy.on_lost == OnLost::Retry || !began)
            }
            // Nobody knows whether it began, so it may have.
            Ended::Lost { in_company } => {
                let losses = self.losses + 1;
                let poison = losses >= if in_company { MOST_LOSSES } else { POISON_LOSSES };
                let again = self.policy.on_lost == OnLost::Retry && !poison;
                (lost(losses, poison, self.policy.on_lost), losses, again)
            }
        };
        let counts = !matches!(outcome.cause, None | Some(Cause::WorkerLost | Cause::Interrupted));
        let failures = self.failures + u32::from(counts);
        let (event, due_in) = self.decide(&outcome, failures, losses, may_run_again, jitter);
        Verdict { event, due_in, failures, losses, outcome }
    }

    fn decide(
        &self,
        outcome: &Outcome,
        failures: u32,
        losses: u32,
        may_run_again: bool,
        jitter: f64,
    ) -> (Event, Duration) {
        const NOW: Duration = Duration::ZERO;
        let Some(cause) = outcome.cause else { return (Event::Complete, NOW) };
        // A cancel beats a retry and a failure, never a success.
        if self.cancel_requested || cause == Cause::Cancelled {
            return (Event::Cancel, NOW);
        }
        match cause {
            Cause::WorkerLost | Cause::Interrupted if !may_run_again => (Event::Fail, NOW),
            Cause::WorkerLost => (Event::Retry, lost_delay(losses, jitter)),
            Cause::Interrupted => (Event::Retry, NOW),
            Cause::ExitCode
            | Cause::Signal
            | Cause::Timeout
            | Cause::Cancelled
            | Cause::SpawnFailed
            | Cause::OutputLimit
            | Cause::Oom => {
                if outcome.final_failure || failures >= self.policy.max_attempts {
                    (Event::Fail, NOW)
                } else {
                    (Event::Retry, self.policy.backoff.delay(failures, jitter))
                }
            }
        }
    }
}

/// A task that may have taken its worker down waits before it meets the next one: 1 s, then 2 s, then 4 s, and up to
/// half as much again, so that those which were lost with it do not meet the next one in its company.
fn lost_delay(losses: u32, jitter: f64) -> Duration {
    let least = Duration::from_secs(1 << losses.saturating_sub(1).min(8));
    least.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 2.0)
}

fn lost(losses: u32, poison: bool, on_lost: OnLost) -> Outcome {
    let error = match on_lost {
        OnLost::Fail => "the worker was lost, and on_lost=fail forbids a second run".to_owned(),
        OnLost::Retry if poison => {
            format!("poison: the worker was lost {losses} times while it held this task")
        }
        OnLost::Retry => "the worker was lost".to_owned(),
    };
    Outcome::failure(Cause::WorkerLost, error)
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
