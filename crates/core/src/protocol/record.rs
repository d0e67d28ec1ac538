//! A task as the store has it, and the guard of each step.
//!
//! The statements of the stores restate these guards in their `WHERE`; a case of the contract compares the two for
//! every state, epoch and registration.

use super::report::{Current, Judgement, Said, judge};
use crate::retry::RetryPolicy;
use crate::state::TaskState;
use crate::transition::{Ended, Event, Standing, Verdict};

/// A task. `S` names the session that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record<S> {
    /// Its state.
    pub state: TaskState,
    /// Raised by each claim, never reset.
    pub epoch: i64,
    /// The count that a user sees.
    pub attempt: u32,
    /// Attempts that ended by themselves without success.
    pub failures: u32,
    /// Attempts whose worker was lost.
    pub losses: u32,
    /// Whether a user asked to cancel while it was held.
    pub cancel_requested: bool,
    /// Who holds it.
    pub session: Option<S>,
    /// Whether the end of its last attempt was reported by a worker.
    pub reported: bool,
    /// What it permits.
    pub policy: RetryPolicy,
}

/// What a cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The task ended.
    Now,
    /// Its worker is to be told.
    Requested,
    /// It had ended before.
    TooLate,
}

/// The registration that a slot belongs to, and who asks to fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat<C> {
    /// The coordinator.
    pub coordinator: C,
    /// Which registration of the session.
    pub attach: i64,
}

/// Whether a coordinator may claim for a slot: the session lives, is attached to it, and has not registered anew.
pub fn may_fill<C: PartialEq>(session: &Seat<C>, ended: bool, slot: &Seat<C>) -> bool {
    !ended && session == slot
}

impl<S: Copy + PartialEq> Record<S> {
    /// A task that waits.
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            state: TaskState::Pending,
            epoch: 0,
            attempt: 0,
            failures: 0,
            losses: 0,
            cancel_requested: false,
            session: None,
            reported: false,
            policy,
        }
    }

    /// `claim`: an attempt begins.
    pub fn claim(&mut self, session: S) -> bool {
        let Some(next) = self.state.after(Event::Claim) else { return false };
        self.state = next;
        self.epoch += 1;
        self.attempt += 1;
        self.session = Some(session);
        self.reported = false;
        true
    }

    /// `release` and `release_cancelled`: the attempt is given back, its epoch is not.
    pub fn release(&mut self, epoch: i64) -> bool {
        if self.epoch != epoch || self.state.after(Event::Release).is_none() {
            return false;
        }
        self.state = if self.cancel_requested { TaskState::Cancelled } else { TaskState::Pending };
        self.attempt -= 1;
        self.session = None;
        true
    }

    /// `start`: the command runs.
    pub fn start(&mut self, epoch: i64) -> bool {
        let next = self.state.after(Event::Start).filter(|_| self.epoch == epoch);
        self.state = next.unwrap_or(self.state);
        next.is_some()
    }

    /// `finish`: the attempt ended, by a report or because its session is gone.
    pub fn finish(&mut self, epoch: i64, ended: Ended<'_>, jitter: f64) -> Option<Verdict> {
        if self.epoch != epoch || !self.state.is_held() {
            return None;
        }
        let reported = match ended {
            Ended::Reported { .. } => true,
            Ended::Lost { .. } => false,
        };
        let verdict = self.standing().verdict(ended, jitter);
        self.state = self.state.after(verdict.event)?;
        self.failures = verdict.failures;
        self.losses = verdict.losses;
        self.session = None;
        self.reported = reported;
        Some(verdict)
    }

    /// `cancel_pending` and `cancel_held`: a user's wish.
    pub fn cancel(&mut self) -> Cancelled {
        if self.state.is_terminal() {
            return Cancelled::TooLate;
        }
        self.cancel_requested = true;
        if self.state.is_held() {
            return Cancelled::Requested;
        }
        self.state = TaskState::Cancelled;
        Cancelled::Now
    }

    /// `tasks_expire`: the deadline to start passed.
    pub fn expire(&mut self) -> bool {
        let next = self.state.after(Event::Expire);
        self.state = next.unwrap_or(self.state);
        next.is_some()
    }

    /// What a report of the attempt with `epoch` means.
    pub fn judge(&self, epoch: i64, said: Said) -> Judgement {
        judge(Some(Current { epoch: self.epoch, state: self.state, reported: self.reported }), epoch, said)
    }

    fn standing(&self) -> Standing {
        Standing {
            failures: self.failures,
            losses: self.losses,
            cancel_requested: self.cancel_requested,
            policy: self.policy,
        }
    }
}
