//! The workers that are attached to this coordinator, and which of their slots are free.
//!
//! In memory only, and rebuilt by registrations: the store knows which session is attached to whom.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distrack_core::protocol::dispatch;
use distrack_core::{AttemptRef, QueueName, SessionId};
use distrack_proto::v1::worker_service_client::WorkerServiceClient;
use distrack_store::HeartbeatSeen;
use distrack_transport::Channel;
use tokio::sync::Notify;

/// How long after its end a rest is remembered.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

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
    /// Whether it is given a rest.
    pub(crate) pause: Pause,
}

/// What a heartbeat is answered from.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Since the worker was last heard.
    pub(crate) gap: Duration,
    /// What it is to stop.
    pub(crate) cancel: Vec<AttemptRef>,
}

/// A rest that a worker is given because deliveries failed. Outlives its registration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pause {
    /// Deliveries that failed in a row; each makes the next rest longer.
    pub(crate) failures: u32,
    /// Nothing is claimed for it before.
    pub(crate) until: Option<Instant>,
}

/// The attached sessions.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    sessions: Mutex<HashMap<SessionId, Attached>>,
    /// The rests of sessions that were detached.
    resting: Mutex<HashMap<SessionId, Pause>>,
    /// How many slots were filled: whose turn it is among equals.
    pub(crate) filled: AtomicUsize,
    /// A slot came free, or a worker came.
    pub(crate) vacated: Notify,
}

impl Fleet {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Attached>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are attached.
    pub(crate) fn count(&self) -> i64 {
        i64::try_from(self.lock().len()).unwrap_or(i64::MAX)
    }

    /// Takes a session in, in place of its earlier registration; one that was overtaken changes nothing.
    pub(crate) fn attach(&self, session: SessionId, mut attached: Attached) {
        let mut sessions = self.lock();
        let earlier = sessions.get(&session);
        if !dispatch::replaces(earlier.map(|earlier| earlier.attach), attached.attach) {
            return;
        }
        let rested = self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        attached.pause = earlier.map(|earlier| earlier.pause).or(rested).unwrap_or_default();
        sessions.insert(session, attached);
        self.vacated.notify_one();
    }

    /// Forgets a session's registration. Its next heartbeat makes the worker register anew, and reconcile.
    pub(crate) fn detach(&self, session: SessionId, attach: i64) -> bool {
        let mut sessions = self.lock();
        let current = sessions.get(&session).is_some_and(|attached| attached.attach == attach);
        if current && let Some(attached) = sessions.remove(&session) {
            self.let_rest(session, attached.pause);
        }
        current
    }

    /// Remembers a rest for when the session comes back, and forgets those that were over long ago.
    fn let_rest(&self, session: SessionId, pause: Pause) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, pause| pause.until.is_some_and(|until| until.elapsed() < FORGOTTEN_AFTER));
        if pause.until.is_some() {
            resting.insert(session, pause);
        }
    }

    /// Notes a heartbeat. `None` if the registration is not the attached one; else what is to be stopped.
    pub(crate) fn heard(
        &self,
        session: SessionId,
        attach: i64,
        busy: u32,
        draining: bool,
        late_after: Duration,
    ) -> Option<Heard> {
        let heard = self.with(session, attach, |attached| {
            let gap = attached.heard.elapsed();
            attached.heard = Instant::now();
            attached.unsaved = true;
            attached.busy = busy;
            attached.draining |= draining;
            Heard { gap, cancel: attached.cancel.iter().copied().collect() }
        })?;
        if heard.gap > late_after {
            self.vacated.notify_one();
        }
        Some(heard)
    }

    /// Takes over which held attempts are to be stopped; returns those that their worker has not been told of.
    pub(crate) fn mark(&self, marks: Vec<(SessionId, AttemptRef)>) -> Vec<(SessionId, Vec<AttemptRef>)> {
        let mut by_session: HashMap<SessionId, HashSet<AttemptRef>> = HashMap::new();
        for (session, attempt) in marks {
            by_session.entry(session).or_default().insert(attempt);
        }
        let mut news = Vec::new();
        for (session, attached) in self.lock().iter_mut() {
            let marked = by_session.remove(session).unwrap_or_default();
            let untold: Vec<_> = marked.difference(&attached.cancel).copied().collect();
            attached.cancel = marked;
            if !untold.is_empty() {
                news.push((*session, untold));
            }
        }
        news
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
}
