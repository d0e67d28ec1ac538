//! The attempts that this worker holds, its slots, and the registration they are held under: one lock,
//! so that what a registration says is held and what a Dispatch adds can never cross.
//!
//! Nothing here runs or reports anything.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use distrack_core::{AttemptRef, SessionId};
use distrack_proto::v1::Acceptance;
use tokio::sync::watch;

use crate::assignment::Assignment;
use crate::metrics::{Instruments, Refused};
use crate::recent::{Recent, newer};
use crate::stop::{self, Stop, StopHandle, StopSignal};

/// A session and its registration, as each call must name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    /// The session.
    pub(crate) session: SessionId,
    /// Which registration of it.
    pub(crate) attach: i64,
}

/// Why a whole call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The worker is no such session, or has registered anew since.
    WrongSession,
    /// The worker registers just now: what it holds must not change.
    Registering,
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

#[derive(Debug, Default)]
struct State {
    registration: Option<Registration>,
    draining: bool,
    held: BTreeMap<AttemptRef, Phase>,
    running: usize,
    recent: Recent,
}

#[derive(Debug)]
enum Phase {
    Running(StopHandle),
    Ended,
}

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
        state.held.extend(attempts.into_iter().map(|attempt| (attempt, Phase::Ended)));
        self.publish(&state);
    }

    /// Begins a registration: from here until [`Held::registered`] every call is refused, so that what is
    /// not in the answer will never be held under an older registration.
    pub(crate) fn begin_registration(&self) -> Vec<AttemptRef> {
        let mut state = self.lock();
        state.registration = None;
        state.held.keys().copied().collect()
    }

    /// Ends it: calls that name `registration` are welcome.
    pub(crate) fn registered(&self, registration: Registration) {
        self.lock().registration = Some(registration);
    }

    /// What was registered counts no more: every call is refused until the next registration.
    pub(crate) fn lapse(&self) {
        self.lock().registration = None;
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
            let acceptance = match state.known(attempt) {
                Some(answer) => answer,
                None => match state.obstacle(self.slots, safe) {
                    Some(reason) => {
                        self.instruments.refused(reason, 1);
                        let answer = answer_to(reason);
                        state.recent.remember(attempt, answer);
                        answer
                    }
                    None => {
                        accepted.starts.push((assignment, state.take(attempt)));
                        Acceptance::Accepted
                    }
                },
            };
            accepted.acceptances.push(acceptance);
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
        let state = self.lock();
        for attempt in attempts {
            if let Some(Phase::Running(handle)) = state.held.get(&attempt) {
                handle.stop(why);
            }
        }
    }

    /// Wishes that every running attempt ends.
    pub(crate) fn stop_all(&self, why: Stop) {
        for phase in self.lock().held.values() {
            if let Phase::Running(handle) = phase {
                handle.stop(why);
            }
        }
    }

    /// Takes nothing new from now on.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    /// Whether nothing new is taken.
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Whether the attempt takes a slot.
    pub(crate) fn runs(&self, attempt: AttemptRef) -> bool {
        matches!(self.lock().held.get(&attempt), Some(Phase::Running(_)))
    }

    /// An attempt ended: its slot is free, its result is to be delivered.
    pub(crate) fn ended(&self, attempt: AttemptRef) {
        let mut state = self.lock();
        if state.free(attempt) {
            state.held.insert(attempt, Phase::Ended);
        }
        self.publish(&state);
    }

    /// An attempt is no longer this worker's business: its result was received, or nobody wants it.
    pub(crate) fn forget(&self, attempts: impl IntoIterator<Item = AttemptRef>) {
        let mut state = self.lock();
        for attempt in attempts {
            state.free(attempt);
            if state.held.remove(&attempt).is_some() {
                state.recent.remember(attempt, Acceptance::Accepted);
            }
        }
        self.publish(&state);
    }

    /// How much is held, now and whenever it changes.
    pub(crate) fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    fn publish(&self, state: &State) {
        self.instruments.slots(state.running, self.slots);
        self.counts.send_replace(Counts { running: state.running, held: state.held.len() });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self, named: Registration) -> Result<(), Refusal> {
        match self.registration {
            None => Err(Refusal::Registering),
            Some(registration) if registration != named => Err(Refusal::WrongSession),
            Some(_) => Ok(()),
        }
    }

    /// The answer to an attempt that has been here, or whose time is over.
    fn known(&self, attempt: AttemptRef) -> Option<Acceptance> {
        if self.held.contains_key(&attempt) {
            return Some(Acceptance::Accepted);
        }
        // A newer epoch proves that this one was given back or lost: a late copy must not start it.
        let overtaken = newer(&self.held, attempt) || self.recent.knows_newer(attempt);
        self.recent.answer(attempt).or(overtaken.then_some(Acceptance::NoSlot))
    }

    fn obstacle(&self, slots: usize, safe: bool) -> Option<Refused> {
        if self.draining {
            Some(Refused::Draining)
        } else if !safe {
            Some(Refused::Spool)
        } else {
            (self.running >= slots).then_some(Refused::NoSlot)
        }
    }

    fn take(&mut self, attempt: AttemptRef) -> StopSignal {
        let older = AttemptRef { epoch: i64::MIN, ..attempt }..attempt;
        for (_, phase) in self.held.range(older) {
            if let Phase::Running(handle) = phase {
                handle.stop(Stop::Superseded);
            }
        }
        let (handle, signal) = stop::channel();
        self.held.insert(attempt, Phase::Running(handle));
        self.running += 1;
        signal
    }

    /// Frees the slot of an attempt, if it has one.
    fn free(&mut self, attempt: AttemptRef) -> bool {
        let runs = matches!(self.held.get(&attempt), Some(Phase::Running(_)));
        self.running -= usize::from(runs);
        if runs {
            self.held.remove(&attempt);
            self.recent.remember(attempt, Acceptance::Accepted);
        }
        runs
    }
}

fn answer_to(reason: Refused) -> Acceptance {
    match reason {
        Refused::Draining => Acceptance::Draining,
        Refused::NoSlot
        | Refused::Spool
        | Refused::WrongSession
        | Refused::Registering
        | Refused::Invalid => Acceptance::NoSlot,
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
