//! What was answered to assignments that are no longer held, so that a late copy of a Dispatch gets the
//! same answer and never runs an attempt twice, or one that was given back.
//!
//! Bounded: it forgets the oldest. A copy later than that many attempts is stopped by its epoch when it
//! reports.

use std::collections::{BTreeMap, VecDeque};

use distrack_core::AttemptRef;
use distrack_proto::v1::Acceptance;

/// How many answers are remembered: about 10 MB, when so many attempts were held.
const REMEMBERED: usize = 100_000;

/// The last answers.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    answers: BTreeMap<AttemptRef, Acceptance>,
    order: VecDeque<AttemptRef>,
}

impl Recent {
    /// Remembers an answer.
    pub(crate) fn remember(&mut self, attempt: AttemptRef, answer: Acceptance) {
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

    /// What was answered.
    pub(crate) fn answer(&self, attempt: AttemptRef) -> Option<Acceptance> {
        self.answers.get(&attempt).copied()
    }

    /// Whether a newer attempt of the same task has been here.
    pub(crate) fn knows_newer(&self, attempt: AttemptRef) -> bool {
        newer(&self.answers, attempt)
    }
}

/// Whether `map` has a newer attempt of the same task.
pub(crate) fn newer<T>(map: &BTreeMap<AttemptRef, T>, attempt: AttemptRef) -> bool {
    let Some(next) = attempt.epoch.checked_add(1) else { return false };
    let (above, last) = (AttemptRef { epoch: next, ..attempt }, AttemptRef { epoch: i64::MAX, ..attempt });
    map.range(above..=last).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use distrack_core::TaskId;

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
