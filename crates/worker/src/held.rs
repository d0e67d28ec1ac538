//! The attempts that this worker holds, its slots, and the registration they are held under: one lock,
//! so that what a registration says is held and what a Dispatch adds can never cross.
//!
//! What is decided about them is in [`distrack_core::protocol::holding`]; nothing here runs or reports anything.

use std::sync::{Mutex, MutexGuard, PoisonError};

use distrack_core::protocol::dispatch;
pub(crate) use distrack_core::protocol::holding::Refusal;
use distrack_core::protocol::holding::{Decision, Holding, Obstacle, Phase};
use distrack_core::{AttemptRef, SessionId};
use distrack_proto::v1::Acceptance;
use tokio::sync::watch;

use crate::assignment::Assignment;
use crate::metrics::{Instruments, Refused};
use crate::stop::{self, Stop, StopHandle, StopSignal};

/// A session and its registration, as each call must name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    /// The session.
    pub(crate) session: SessionId,
    /// Which registration of it.
    pub(crate) attach: i64,
}

/// How much is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Attempts that take a slot.
    pub(crate) running: usize,
    /// Attempts that run, or whose result is not acknowledged.
    pub(crate) held: usize,
}

/// The answer to a Dispatch.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// One for each assignment, in order.
    pub(crate) acceptances: Vec<Acceptance>,
    /// The assignments to start now.
    pub(crate) starts: Vec<(Assignment, StopSignal)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Held {
    slots: usize,
    state: Mutex<State>,
    counts: watch::Sender<Counts>,
    instruments: Instruments,
}

type State = Holding<Registration, StopHandle>;

impl Held {
    /// Nothing held, of `slots`.
    pub(crate) fn new(slots: u32, instruments: Instruments) -> Self {
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        instruments.slots(0, slots);
        Self { slots, state: Mutex::default(), counts: watch::Sender::default(), instruments }
    }

    /// Holds what an earlier process of this worker left undelivered.
    pub(crate) fn restore(&self, attempts: impl IntoIterator<Item = AttemptRef>) {
        let mut state = self.lock();
        state.restore(attempts);
        self.publish(&state);
    }

    /// Begins a registration: from here until [`Held::registered`] every call is refused, so that what is
    /// not in the answer will never be held under an older registration.
    pub(crate) fn begin_registration(&self) -> Vec<AttemptRef> {
        self.lock().begin_registration()
    }

    /// Ends it: calls that name `registration` are welcome.
    pub(crate) fn registered(&self, registration: Registration) {
        self.lock().registered(registration);
    }

    /// What was registered counts no more: every call is refused until the next registration.
    pub(crate) fn lapse(&self) {
        self.lock().lapse();
    }

    /// Decides on assignments and takes a slot for each that is to start.
    ///
    /// Idempotent by (task, epoch): a copy gets the answer of the original and starts nothing. `safe` says
    /// whether results can be kept now; if not, no new attempt is taken.
    pub(crate) fn accept(
        &self,
        named: Registration,
        assignments: Vec<Assignment>,
        safe: bool,
    ) -> Result<Accepted, Refusal> {
        let mut state = self.lock();
        state.check(named).inspect_err(|refusal| {
            let reason = match refusal {
                Refusal::WrongSession => Refused::WrongSession,
                Refusal::Registering => Refused::Registering,
            };
            self.instruments.refused(reason, assignments.len());
        })?;
        let mut accepted =
            Accepted { acceptances: Vec::with_capacity(assignments.len()), starts: Vec::new() };
        for assignment in assignments {
            let attempt = assignment.attempt;
            let acceptance = match state.decide(attempt, self.slots, safe) {
                Decision::Known(answer) => answer,
                Decision::Refused(obstacle) => {
                    self.instruments.refused(reason(obstacle), 1);
                    obstacle.answer()
                }
                Decision::Take(older) => {
                    stop_all_of(&state, older, Stop::Superseded);
                    let (handle, signal) = stop::channel();
                    state.take(attempt, handle);
                    accepted.starts.push((assignment, signal));
                    dispatch::Acceptance::Accepted
                }
            };
            accepted.acceptances.push(said(acceptance));
        }
        self.publish(&state);
        Ok(accepted)
    }

    /// Checks that a call names the registration that holds.
    pub(crate) fn check(&self, named: Registration) -> Result<(), Refusal> {
        self.lock().check(named)
    }

    /// Wishes that attempts end. Those that do not run are left alone.
    pub(crate) fn stop(&self, attempts: impl IntoIterator<Item = AttemptRef>, why: Stop) {
        stop_all_of(&self.lock(), attempts, why);
    }

    /// Wishes that every running attempt ends.
    pub(crate) fn stop_all(&self, why: Stop) {
        for phase in self.lock().held().values() {
            if let Phase::Running(handle) = phase {
                handle.stop(why);
            }
        }
    }

    /// Takes nothing new from now on.
    pub(crate) fn drain(&self) {
        self.lock().drain();
    }

    /// Whether nothing new is taken.
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().is_draining()
    }

    /// Whether the attempt takes a slot.
    pub(crate) fn runs(&self, attempt: AttemptRef) -> bool {
        self.lock().running(attempt).is_some()
    }

    /// An attempt ended: its slot is free, its result is to be delivered.
    pub(crate) fn ended(&self, attempt: AttemptRef) {
        let mut state = self.lock();
        state.ended(attempt);
        self.publish(&state);
    }

    /// An attempt is no longer this worker's business: its result was received, or nobody wants it.
    pub(crate) fn forget(&self, attempts: impl IntoIterator<Item = AttemptRef>) {
        let mut state = self.lock();
        for attempt in attempts {
            state.forget(attempt);
        }
        self.publish(&state);
    }

    /// How much is held, now and whenever it changes.
    pub(crate) fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    fn publish(&self, state: &State) {
        let running = state.slots_taken();
        self.instruments.slots(running, self.slots);
        self.counts.send_replace(Counts { running, held: state.held().len() });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stop_all_of(state: &State, attempts: impl IntoIterator<Item = AttemptRef>, why: Stop) {
    for attempt in attempts {
        if let Some(handle) = state.running(attempt) {
            handle.stop(why);
        }
    }
}

fn reason(obstacle: Obstacle) -> Refused {
    match obstacle {
        Obstacle::Draining => Refused::Draining,
        Obstacle::Unsafe => Refused::Spool,
        Obstacle::NoSlot => Refused::NoSlot,
    }
}

fn said(acceptance: dispatch::Acceptance) -> Acceptance {
    match acceptance {
        dispatch::Acceptance::Accepted => Acceptance::Accepted,
        dispatch::Acceptance::NoSlot => Acceptance::NoSlot,
        dispatch::Acceptance::Draining => Acceptance::Draining,
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
