//! Which slots are free, and in which order they are to be filled.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use distrack_core::QueueName;
use distrack_core::protocol::dispatch;
use distrack_store::Slot;

use crate::fleet::Fleet;

/// Free slots of workers of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Vacancy {
    pub(crate) queues: Option<Vec<QueueName>>,
    pub(crate) labels: BTreeMap<String, String>,
    /// The slots, in the order in which they are to be filled.
    pub(crate) slots: Vec<Slot>,
}

/// What there is to fill.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Vacancies {
    /// By kind of worker.
    pub(crate) kinds: Vec<Vacancy>,
    /// When the first rest is over, if a worker is given one.
    pub(crate) rest: Option<Duration>,
}

impl Fleet {
    /// Free slots, at most `limit`, by kind of worker: those that serve the same queues with the same labels. The
    /// kind with the freest worker comes first. Only workers that were heard within `heard_within` get work.
    pub(crate) fn vacancies(&self, limit: usize, heard_within: Duration) -> Vacancies {
        type Kind = (Option<Vec<QueueName>>, BTreeMap<String, String>);
        let mut kinds: BTreeMap<Kind, Vec<(Slot, usize)>> = BTreeMap::new();
        let mut rest: Option<Duration> = None;
        let now = Instant::now();
        for (session, attached) in self.lock().iter() {
            if attached.draining || now.duration_since(attached.heard) > heard_within {
                continue;
            }
            if let Some(until) = attached.pause.until.filter(|until| *until > now) {
                let left = until - now;
                rest = Some(rest.map_or(left, |rest| rest.min(left)));
                continue;
            }
            let free = dispatch::free(attached.slots, attached.held.len());
            if free > 0 {
                let kind = (attached.queues.clone(), attached.labels.clone());
                let slot = Slot { session: *session, attach: attached.attach };
                kinds.entry(kind).or_default().push((slot, free));
            }
        }
        let turn = self.filled.load(Ordering::Relaxed);
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        let first = turn % kinds.len().max(1);
        kinds.rotate_left(first);
        kinds.sort_by_key(|(_, free)| std::cmp::Reverse(free.iter().map(|(_, free)| *free).max()));
        let kinds = kinds
            .into_iter()
            .map(|((queues, labels), free)| Vacancy { queues, labels, slots: in_turn(free, limit, turn) })
            .collect();
        Vacancies { kinds, rest }
    }

    /// Counts slots that were filled, so that equals take turns.
    pub(crate) fn filled(&self, slots: usize) {
        self.filled.fetch_add(slots, Ordering::Relaxed);
    }
}

/// Slots in the order in which they are filled: the worker with the most free ones first, and equals in
/// turn.
fn in_turn(mut free: Vec<(Slot, usize)>, limit: usize, turn: usize) -> Vec<Slot> {
    free.sort_unstable();
    let first = turn % free.len().max(1);
    free.rotate_left(first);
    let most = free.iter().map(|(_, free)| *free).max().unwrap_or(0);
    let levels = (1..=most).rev();
    let slots =
        levels.flat_map(|level| free.iter().filter(move |(_, free)| *free >= level).map(|(slot, _)| *slot));
    slots.take(limit).collect()
}

#[cfg(test)]
mod tests {
    use distrack_core::SessionId;

    use super::*;

    #[test]
    fn the_worker_with_most_free_slots_is_filled_first_and_equals_take_turns() {
        let mut slots = [slot(), slot()];
        slots.sort_unstable();
        let [a, b] = slots;
        assert_eq!(in_turn(vec![(a, 3), (b, 1)], 10, 0), [a, a, a, b]);
        assert_eq!(in_turn(vec![(a, 2), (b, 2)], 10, 0), [a, b, a, b]);
        assert_eq!(in_turn(vec![(a, 2), (b, 2)], 10, 1), [b, a, b, a]);
    }

    #[test]
    fn slots_never_exceed_the_limit_or_what_is_free() {
        assert_eq!(in_turn(vec![(slot(), 9)], 4, 7).len(), 4);
        assert_eq!(in_turn(vec![(slot(), 3)], 4, 7).len(), 3);
        assert!(in_turn(Vec::new(), 4, 7).is_empty());
    }

    fn slot() -> Slot {
        Slot { session: SessionId::new(), attach: 1 }
    }
}
