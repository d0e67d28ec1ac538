//! What a worker holds, and what it answers to an assignment.
//!
//! Idempotent by (task, epoch): a copy gets the answer of the original and starts nothing. What was refused once is
//! refused for ever, since the coordinator has given it back.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use super::dispatch::Acceptance;
use crate::attempt::AttemptRef;

/// How many answers are remembered: about 10 MB, when so many attempts were held.
pub const REMEMBERED: usize = 100_000;

/// Why a whole call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The worker is no such session, or has registered anew since.
    WrongSession,
    /// The worker registers just now: what it holds must not change.
    Registering,
}

/// Why a new attempt is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// The worker takes nothing new.
    Draining,
    /// Its result could not be kept.
    Unsafe,
    /// Every slot is taken.
    NoSlot,
}

impl Obstacle {
    /// What the coordinator is told.
    pub fn answer(self) -> Acceptance {
        match self {
            Self::Draining => Acceptance::Draining,
            Self::Unsafe | Self::NoSlot => Acceptance::NoSlot,
        }
    }
}

/// What is decided on an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It has been answered before: the same answer again, and nothing starts.
    Known(Acceptance),
    /// It is refused, for good.
    Refused(Obstacle),
    /// It is to be taken; these older attempts of its task are to end first.
    Take(Vec<AttemptRef>),
}

/// An attempt that is held. `W` is how a running one is told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase<W> {
    /// It takes a slot.
    Running(W),
    /// Its result is to be delivered.
    Ended,
}

/// What is held, and under which registration. `R` names one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holding<R, W> {
    registration: Option<R>,
    draining: bool,
    held: BTreeMap<AttemptRef, Phase<W>>,
    running: usize,
    recent: Recent,
}

impl<R, W> Default for Holding<R, W> {
    fn default() -> Self {
        Self {
            registration: None,
            draining: false,
            held: BTreeMap::new(),
            running: 0,
            recent: Recent::default(),
        }
    }
}

impl<R: Copy + PartialEq, W> Holding<R, W> {
    /// Holds what an earlier process of this worker left undelivered.
    pub fn restore(&mut self, attempts: impl IntoIterator<Item = AttemptRef>) {
        self.held.extend(attempts.into_iter().map(|attempt| (attempt, Phase::Ended)));
    }

    /// Begins a registration: from here until [`Holding::registered`] every call is refused, so that what is not in
    /// the answer will never be held under an older registration.
    pub fn begin_registration(&mut self) -> Vec<AttemptRef> {
        self.registration = None;
        self.held.keys().copied().collect()
    }

    /// Ends it: calls that name `registration` are welcome.
    pub fn registered(&mut self, registration: R) {
        self.registration = Some(registration);
    }

    /// What was registered counts no more: every call is refused until the next registration.
    pub fn lapse(&mut self) {
        self.registration = None;
    }

    /// Checks that a call names the registration that holds.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, named: R) -> Result<(), Refusal> {
        match self.registration {
            None => Err(Refusal::Registering),
            Some(registration) if registration != named => Err(Refusal::WrongSession),
            Some(_) => Ok(()),
        }
    }

    /// Decides on an assignment of a call that was checked. `safe` says whether a result can be kept now.
    pub fn decide(&mut self, attempt: AttemptRef, slots: usize, safe: bool) -> Decision {
        if let Some(answer) = self.known(attempt) {
            return Decision::Known(answer);
        }
        if let Some(obstacle) = self.obstacle(slots, safe) {
            self.recent.remember(attempt, obstacle.answer());
            return Decision::Refused(obstacle);
        }
        let older = AttemptRef { epoch: i64::MIN, ..attempt }..attempt;
        let older = self.held.range(older).filter(|(_, phase)| matches!(phase, Phase::Running(_)));
        Decision::Take(older.map(|(attempt, _)| *attempt).collect())
    }

    /// Takes a slot for an attempt that was decided to be taken.
    pub fn take(&mut self, attempt: AttemptRef, wish: W) {
        self.held.insert(attempt, Phase::Running(wish));
        self.running += 1;
    }

    /// An attempt ended: its slot is free, its result is to be delivered.
    pub fn ended(&mut self, attempt: AttemptRef) {
        if self.free(attempt) {
            self.held.insert(attempt, Phase::Ended);
        }
    }

    /// An attempt is no longer this worker's business: its result was received, or nobody wants it.
    pub fn forget(&mut self, attempt: AttemptRef) {
        self.free(attempt);
        if self.held.remove(&attempt).is_some() {
            self.recent.remember(attempt, Acceptance::Accepted);
        }
    }

    /// Takes nothing new from now on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether nothing new is taken.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// The wish of an attempt that runs.
    pub fn running(&self, attempt: AttemptRef) -> Option<&W> {
        match self.held.get(&attempt)? {
            Phase::Running(wish) => Some(wish),
            Phase::Ended => None,
        }
    }

    /// The registration that holds; `None` while the worker registers.
    pub fn registration(&self) -> Option<R> {
        self.registration
    }

    /// All that is held.
    pub fn held(&self) -> &BTreeMap<AttemptRef, Phase<W>> {
        &self.held
    }

    /// How many take a slot.
    pub fn slots_taken(&self) -> usize {
        self.running
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

    fn obstacle(&self, slots: usize, safe: bool) -> Option<Obstacle> {
        if self.draining {
            Some(Obstacle::Draining)
        } else if !safe {
            Some(Obstacle::Unsafe)
        } else {
            (self.running >= slots).then_some(Obstacle::NoSlot)
        }
    }

    /// Frees the slot of an attempt, if it has one.
    fn free(&mut self, attempt: AttemptRef) -> bool {
        let runs = self.running(attempt).is_some();
        self.running -= usize::from(runs);
        if runs {
            self.held.remove(&attempt);
            self.recent.remember(attempt, Acceptance::Accepted);
        }
        runs
    }
}

/// Whether a worker has to register anew after a receipt for a result that it reported under registration `reported`.
///
/// A later registration, or one that is under way, has said that the result is held, and it may have been said before
/// the result was recorded. Nobody would ever free its slot: the coordinator that recorded it is not the one that counts.
pub fn must_register_anew<R: PartialEq>(reported: R, now: Option<R>) -> bool {
    now != Some(reported)
}

/// What was answered to assignments that are no longer held.
///
/// Bounded: it forgets the oldest. A copy later than that many attempts is stopped by its epoch when it reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recent {
    answers: BTreeMap<AttemptRef, Acceptance>,
    order: VecDeque<AttemptRef>,
}

impl Hash for Recent {
    /// What is answered, not in which order it will be forgotten.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.answers.hash(state);
    }
}

impl Recent {
    fn remember(&mut self, attempt: AttemptRef, answer: Acceptance) {
        if self.answers.insert(attempt, answer).is_some() {
            return;
        }
        self.order.push_back(attempt);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }

    fn answer(&self, attempt: AttemptRef) -> Option<Acceptance> {
        self.answers.get(&attempt).copied()
    }

    fn knows_newer(&self, attempt: AttemptRef) -> bool {
        newer(&self.answers, attempt)
    }
}

/// Whether `map` has a newer attempt of the same task.
fn newer<T>(map: &BTreeMap<AttemptRef, T>, attempt: AttemptRef) -> bool {
    let Some(next) = attempt.epoch.checked_add(1) else { return false };
    let (above, last) = (AttemptRef { epoch: next, ..attempt }, AttemptRef { epoch: i64::MAX, ..attempt });
    map.range(above..=last).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TaskId;

    #[test]
    fn the_oldest_answer_is_forgotten_first_and_the_memory_is_bounded() {
        let mut recent = Recent::default();
        let first = AttemptRef { task: TaskId::new(), epoch: 1 };
        recent.remember(first, Acceptance::NoSlot);
        assert_eq!(recent.answer(first), Some(Acceptance::NoSlot));
        for _ in 0..REMEMBERED {
            recent.remember(AttemptRef { task: TaskId::new(), epoch: 1 }, Acceptance::Accepted);
        }
        assert_eq!(recent.answer(first), None);
        assert_eq!(recent.answers.len(), REMEMBERED);
        assert_eq!(recent.order.len(), REMEMBERED);
    }

    #[test]
    fn a_newer_attempt_of_the_same_task_is_known() {
        let mut recent = Recent::default();
        let attempt = |epoch| AttemptRef { task: TaskId::from(uuid::Uuid::nil()), epoch };
        recent.remember(attempt(5), Acceptance::Accepted);
        assert!(recent.knows_newer(attempt(4)));
        assert!(!recent.knows_newer(attempt(5)));
        assert!(!recent.knows_newer(attempt(6)));
    }
}
