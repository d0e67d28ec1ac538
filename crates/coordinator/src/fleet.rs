//! The workers that are attached to this coordinator, and which of their slots are free.
//!
//! In memory only, and rebuilt by registrations: the store knows which session is attached to whom.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distrack_core::{AttemptRef, QueueName, SessionId};
use distrack_proto::v1::worker_service_client::WorkerServiceClient;
use distrack_store::HeartbeatSeen;
use tokio::sync::Notify;
use tonic::transport::Channel;

/// A client of one worker.
pub(crate) type Client = WorkerServiceClient<Channel>;

/// A worker's session, as long as it is attached here.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) attach: i64,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) queues: Option<Vec<QueueName>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) slots: usize,
    /// Attempts that take its slots.
    pub(crate) held: HashSet<AttemptRef>,
    /// Attempts that it is to stop, until they end.
    pub(crate) cancel: HashSet<AttemptRef>,
    pub(crate) client: Client,
    /// When it was last heard.
    pub(crate) heard: Instant,
    /// Whether that is not in the store yet.
    pub(crate) unsaved: bool,
    pub(crate) busy: u32,
    pub(crate) draining: bool,
    /// Deliveries that failed in a row; each makes the next pause longer.
    pub(crate) failures: u32,
    /// Nothing is claimed for it before.
    pub(crate) paused_until: Option<Instant>,
}

/// Free slots of workers of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Vacancy {
    pub(crate) queues: Option<Vec<QueueName>>,
    pub(crate) labels: BTreeMap<String, String>,
    /// One entry for each slot, in the order in which they are to be filled.
    pub(crate) slots: Vec<SessionId>,
}

/// The attached sessions.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    sessions: Mutex<HashMap<SessionId, Attached>>,
    turn: AtomicUsize,
    /// A slot came free, or a worker came.
    pub(crate) vacated: Notify,
}

impl Fleet {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Attached>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session in, in place of its earlier registration.
    pub(crate) fn attach(&self, session: SessionId, mut attached: Attached) {
        let mut sessions = self.lock();
        if let Some(earlier) = sessions.get(&session) {
            attached.failures = earlier.failures;
            attached.paused_until = earlier.paused_until;
        }
        sessions.insert(session, attached);
        self.vacated.notify_one();
    }

    /// Forgets a session's registration. Its next heartbeat makes the worker register anew, and reconcile.
    pub(crate) fn detach(&self, session: SessionId, attach: i64) -> bool {
        let mut sessions = self.lock();
        let current = sessions.get(&session).is_some_and(|attached| attached.attach == attach);
        if current {
            sessions.remove(&session);
        }
        current
    }

    /// Forgets every session that was not heard for `limit`; returns their names.
    pub(crate) fn detach_silent(&self, limit: Duration) -> Vec<String> {
        let mut gone = Vec::new();
        self.lock().retain(|_, attached| {
            let silent = attached.heard.elapsed() > limit;
            if silent {
                gone.push(attached.name.clone());
            }
            !silent
        });
        gone
    }

    /// Runs `look` on a session's registration, if it is still the attached one.
    pub(crate) fn with<T>(
        &self,
        session: SessionId,
        attach: i64,
        look: impl FnOnce(&mut Attached) -> T,
    ) -> Option<T> {
        self.lock().get_mut(&session).filter(|attached| attached.attach == attach).map(look)
    }

    /// Runs `look` on a session, whatever its registration.
    pub(crate) fn with_session<T>(
        &self,
        session: SessionId,
        look: impl FnOnce(&mut Attached) -> T,
    ) -> Option<T> {
        self.lock().get_mut(&session).map(look)
    }

    /// Frees the slots of attempts that ended or were given back.
    pub(crate) fn vacate(&self, session: SessionId, attempts: &[AttemptRef]) {
        let freed = self.with_session(session, |attached| {
            for attempt in attempts {
                attached.held.remove(attempt);
                attached.cancel.remove(attempt);
            }
        });
        if freed.is_some() {
            self.vacated.notify_one();
        }
    }

    /// The heartbeats that the store does not know yet.
    pub(crate) fn take_unsaved(&self) -> Vec<HeartbeatSeen> {
        let mut sessions = self.lock();
        let unsaved = sessions.iter_mut().filter(|(_, attached)| attached.unsaved);
        unsaved
            .map(|(session, attached)| {
                attached.unsaved = false;
                HeartbeatSeen {
                    session: *session,
                    ago: attached.heard.elapsed(),
                    busy: attached.busy,
                    draining: attached.draining,
                }
            })
            .collect()
    }

    /// Free slots, at most `limit`, by kind of worker: those that serve the same queues with the same labels.
    /// Only workers that were heard within `heard_within` get work.
    pub(crate) fn vacancies(&self, limit: usize, heard_within: Duration) -> Vec<Vacancy> {
        type Kind = (Option<Vec<QueueName>>, BTreeMap<String, String>);
        let mut kinds: BTreeMap<Kind, Vec<(SessionId, usize)>> = BTreeMap::new();
        let now = Instant::now();
        for (session, attached) in self.lock().iter() {
            let paused = attached.paused_until.is_some_and(|until| until > now);
            if attached.draining || paused || now.duration_since(attached.heard) > heard_within {
                continue;
            }
            let free = attached.slots.saturating_sub(attached.held.len());
            if free > 0 {
                let kind = (attached.queues.clone(), attached.labels.clone());
                kinds.entry(kind).or_default().push((*session, free));
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut vacancies: Vec<_> = kinds
            .into_iter()
            .map(|((queues, labels), free)| Vacancy { queues, labels, slots: seats(free, limit, turn) })
            .collect();
        if !vacancies.is_empty() {
            let first = turn % vacancies.len();
            vacancies.rotate_left(first);
        }
        vacancies
    }
}

/// Seats in the order in which they are filled: the worker with the most free slots first, and equals in
/// turn, beginning with another one each time.
fn seats(mut free: Vec<(SessionId, usize)>, limit: usize, turn: usize) -> Vec<SessionId> {
    free.sort_unstable();
    let first = turn % free.len().max(1);
    free.rotate_left(first);
    let most = free.iter().map(|(_, free)| *free).max().unwrap_or(0);
    let levels = (1..=most).rev();
    let seats = levels
        .flat_map(|level| free.iter().filter(move |(_, free)| *free >= level).map(|(session, _)| *session));
    seats.take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_with_most_free_slots_is_filled_first_and_equals_take_turns() {
        let (a, b) = (SessionId::new(), SessionId::new());
        assert_eq!(seats(vec![(a, 3), (b, 1)], 10, 0), [a, a, a, b]);
        assert_eq!(seats(vec![(a, 2), (b, 2)], 10, 0), [a, b, a, b]);
        assert_eq!(seats(vec![(a, 2), (b, 2)], 10, 1), [b, a, b, a]);
    }

    #[test]
    fn seats_never_exceed_the_limit_or_the_free_slots() {
        let session = SessionId::new();
        assert_eq!(seats(vec![(session, 9)], 4, 7).len(), 4);
        assert_eq!(seats(vec![(session, 3)], 4, 7).len(), 3);
        assert!(seats(Vec::new(), 4, 7).is_empty());
    }
}
