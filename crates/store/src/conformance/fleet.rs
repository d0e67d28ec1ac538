//! A worker that does as the case says, together with the coordinator that it is attached to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use distrack_core::{AttemptRef, CoordinatorId, InstanceId, SessionId, TaskDraft, TracePolicy, WorkerId};

use super::fixtures::{Db, LONG, NOW, eventually, report, started, submit};
use crate::{
    ClaimRequest, Claimed, HeartbeatSeen, Receipt, Registered, Registration, Renewed, Slot, WorkerSession,
};

/// A worker with a session.
pub(super) struct Worker {
    store: Db,
    /// As it registers, next time too.
    pub(super) registration: Registration,
    /// Its session.
    pub(super) session: SessionId,
    /// The registration of it that its coordinator knows.
    attach: AtomicI64,
    /// What it counts its next registration as.
    sequence: AtomicU64,
}

/// A worker that nobody has seen before, with a coordinator of its own and a lease that does not run out.
pub(super) fn stranger() -> Registration {
    let worker = WorkerId::new();
    Registration {
        worker,
        instance: InstanceId::new(),
        sequence: 1,
        name: format!("worker-{worker}"),
        host: "host-1".to_owned(),
        address: format!("{worker}.example:8000"),
        coordinator: CoordinatorId::new(),
        slots: 4,
        queues: None,
        labels: BTreeMap::new(),
        version: "1.2.3".to_owned(),
        isolation: Some("plain".to_owned()),
        held: Vec::new(),
        lost_after: LONG,
    }
}

impl Worker {
    /// Registers a stranger.
    pub(super) async fn join(store: &Db) -> Self {
        Self::join_as(store, stranger()).await
    }

    /// Registers a stranger whose lease runs out after `lost_after`.
    pub(super) async fn join_for(store: &Db, lost_after: Duration) -> Self {
        Self::join_as(store, Registration { lost_after, ..stranger() }).await
    }

    /// Registers a worker.
    pub(super) async fn join_as(store: &Db, registration: Registration) -> Self {
        let registered = store.register(registration.clone()).await.expect("a worker registers");
        let attach = registered.attach.into();
        Self {
            store: Arc::clone(store),
            registration,
            session: registered.session,
            attach,
            sequence: 2.into(),
        }
    }

    /// The same process registers again, with what it holds.
    pub(super) async fn come_back(&self, held: &[AttemptRef]) -> Registered {
        let sequence = self.sequence.fetch_add(1, Ordering::SeqCst);
        let registration = Registration { held: held.to_vec(), sequence, ..self.registration.clone() };
        let registered = self.store.register(registration).await.expect("a worker registers again");
        self.attach.store(registered.attach, Ordering::SeqCst);
        registered
    }

    /// The worker restarts on the same host and registers with what its spool holds.
    pub(super) async fn restart(&mut self, held: &[AttemptRef]) -> Registered {
        self.registration.instance = InstanceId::new();
        let registered = self.come_back(held).await;
        self.session = registered.session;
        registered
    }

    /// A slot of this worker.
    pub(super) fn slot(&self) -> Slot {
        Slot { session: self.session, attach: self.attach.load(Ordering::SeqCst) }
    }

    /// A claim for `slots` slots of this worker.
    pub(super) fn request(&self, slots: usize) -> ClaimRequest {
        ClaimRequest {
            coordinator: self.registration.coordinator,
            queues: self.registration.queues.clone(),
            labels: self.registration.labels.clone(),
            slots: vec![self.slot(); slots],
            trace_policy: TracePolicy::Auto,
        }
    }

    /// Claims what is due now, for `slots` slots.
    pub(super) async fn claim(&self, slots: usize) -> Vec<Claimed> {
        claim(&self.store, self.request(slots)).await
    }

    /// Claims until it gets one task.
    pub(super) async fn claim_one(&self) -> Claimed {
        eventually("a task is claimed", async || self.claim(1).await.into_iter().next()).await
    }

    /// Claims until it holds `count` tasks.
    pub(super) async fn claim_all(&self, count: usize) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        eventually("all tasks are claimed", async || {
            claimed.extend(self.claim(count - claimed.len()).await);
            (claimed.len() == count).then_some(())
        })
        .await;
        claimed
    }

    /// Submits a task and claims it.
    pub(super) async fn hold(&self, draft: TaskDraft) -> AttemptRef {
        let id = submit(&self.store, draft).await;
        let claimed = self.claim_one().await;
        assert_eq!(claimed.attempt.task, id, "the only due task is claimed");
        claimed.attempt
    }

    /// Submits a task, claims it and reports that it runs.
    pub(super) async fn run(&self, draft: TaskDraft) -> AttemptRef {
        let attempt = self.hold(draft).await;
        assert_eq!(report(&self.store, started(attempt)).await, Receipt::Recorded);
        attempt
    }

    /// A heartbeat that was just heard.
    pub(super) fn heartbeat(&self) -> HeartbeatSeen {
        HeartbeatSeen { session: self.session, ago: NOW, busy: 0, draining: false }
    }

    /// The coordinator renews this worker's lease.
    pub(super) async fn renew(&self, lost_after: Duration) -> Renewed {
        let renewed =
            self.store.renew(self.registration.coordinator, vec![self.heartbeat()], lost_after).await;
        renewed.expect("leases are renewed")
    }

    /// The session as the store lists it, if it does.
    pub(super) async fn listed(&self) -> Option<WorkerSession> {
        let workers = self.store.workers().await.expect("workers are listed");
        workers.into_iter().find(|listed| listed.session == self.session)
    }

    /// The session ends as the worker wishes.
    pub(super) async fn leave(&self) {
        self.store.deregister(self.session).await.expect("a session is ended");
    }

    /// The worker's process dies, and another one takes its place for a moment: all that it held is lost.
    pub(super) async fn die(&mut self) {
        self.restart(&[]).await;
        self.leave().await;
    }
}

/// Claims, and can read all of it.
pub(super) async fn claim(store: &Db, request: ClaimRequest) -> Vec<Claimed> {
    let claims = store.claim(request).await.expect("a claim is answered");
    assert!(claims.unreadable.is_empty(), "{claims:?}");
    claims.claimed
}
