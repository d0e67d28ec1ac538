//! A claim whose answer is lost: nobody guesses what became of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::TaskState;
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId};
use distrack_proto::v1::{self, Acceptance};
use distrack_store::*;
use distrack_store_sqlite::SqliteStore;

use crate::support::{LIMIT, Served, coordinator_over, registration, worker};

type Result<T> = std::result::Result<T, StoreError>;

/// What becomes of a claim.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is committed, and its answer is lost.
    Lost,
    /// Nothing of it reaches the database.
    Untaken,
}

/// The real store, but for claims that have a fate.
struct Forgetful {
    inner: Arc<SqliteStore>,
    /// Of the next claims; an answer is only lost if there is something in it.
    fates: Mutex<VecDeque<Fate>>,
}

/// A coordinator whose next claims have these fates.
async fn coordinator(fates: impl IntoIterator<Item = Fate>) -> (Served, Arc<Forgetful>) {
    let folder = tempfile::tempdir().unwrap();
    let inner = Arc::new(SqliteStore::open(&folder.path().join("distrack.db")).unwrap());
    inner.migrate().await.unwrap();
    let fates = Mutex::new(fates.into_iter().collect());
    let store = Arc::new(Forgetful { inner: Arc::clone(&inner), fates });
    (coordinator_over(inner, Arc::clone(&store) as Arc<dyn Store>, folder).await, store)
}

async fn heartbeat(served: &mut Served, registered: &v1::RegisterWorkerResponse) -> bool {
    let heartbeat = v1::HeartbeatRequest {
        session_id: registered.session_id.clone(),
        attach: registered.attach,
        busy: 0,
        draining: false,
    };
    served.client.heartbeat(heartbeat).await.is_ok()
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_found_when_its_worker_is_asked_what_it_holds() {
    let (mut served, _) = coordinator([Fate::Lost]).await;
    let mut worker = worker([Ok(Acceptance::Accepted)]).await;
    let request = registration(worker.address);
    let registered = served.client.register_worker(request.clone()).await.unwrap().into_inner();
    let task = served.submit("echo hello").await;
    let claimed = served.until(task, |task| task.state == TaskState::Dispatched).await;
    assert_eq!((claimed.epoch, claimed.attempt), (1, 1));
    let asked = async {
        while heartbeat(&mut served, &registered).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.expect("the worker is made to register anew");
    assert_eq!(served.task(task).await.state, TaskState::Dispatched, "nobody guesses before");
    let again = v1::RegisterWorkerRequest { sequence: 2, ..request };
    let again = served.client.register_worker(again).await.unwrap().into_inner();
    assert_eq!(again.session_id, registered.session_id, "the same process keeps its session");
    let dispatched = worker.next_dispatch().await;
    assert_eq!(dispatched.assignments[0].attempt.as_ref().unwrap().epoch, 2);
    assert_eq!(served.task(task).await.attempt, 1, "an attempt that nobody got does not count");
}

#[tokio::test]
async fn a_claim_that_surely_was_not_taken_costs_no_registration() {
    let (mut served, store) = coordinator([Fate::Untaken, Fate::Untaken]).await;
    let mut worker = worker([Ok(Acceptance::Accepted)]).await;
    let registered = served.register(worker.address).await;
    served.submit("echo hello").await;
    let dispatched = worker.next_dispatch().await;
    assert_eq!(dispatched.attach, registered.attach);
    assert_eq!(dispatched.assignments[0].attempt.as_ref().unwrap().epoch, 1);
    assert!(store.fates.lock().unwrap().is_empty());
    assert!(heartbeat(&mut served, &registered).await, "it is still attached");
}

#[tokio::test]
async fn workers_that_all_come_at_once_are_all_registered() {
    let (served, _) = coordinator([]).await;
    let addresses = (0..40).map(|n| std::net::SocketAddr::from(([127, 0, 0, 1], 9000 + n)));
    let registrations = addresses.map(|address| {
        let mut client = served.client.clone();
        tokio::spawn(async move {
            // Whoever is turned away comes back, as a worker does.
            while let Err(status) = client.register_worker(registration(address)).await {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    });
    for registered in registrations.collect::<Vec<_>>() {
        tokio::time::timeout(LIMIT * 3, registered).await.expect("its turn comes").unwrap();
    }
    assert_eq!(served.store.workers().await.unwrap().len(), 40);
}

#[tonic::async_trait]
impl Store for Forgetful {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        let next = self.fates.lock().unwrap().front().copied();
        if matches!(next, Some(Fate::Untaken)) {
            self.fates.lock().unwrap().pop_front();
            return Err(StoreError::unavailable("connection refused"));
        }
        let claims = self.inner.claim(request).await?;
        if next.is_some() && !claims.claimed.is_empty() {
            self.fates.lock().unwrap().pop_front();
            return Err(StoreError::unanswered("connection reset"));
        }
        Ok(claims)
    }

    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        self.inner.submit_by(submissions, mode, notes).await
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        self.inner.cancel_by(task, note).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.inner.audit(query).await
    }

    async fn get(&self, ids: Vec<TaskId>) -> Result<Vec<Task>> {
        self.inner.get(ids).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.inner.list(query).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.inner.attempts(task).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        self.inner.explain(task).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.inner.output(task, attempt).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.inner.workers().await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.inner.queue_snapshot().await
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        self.inner.release(attempts).await
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        self.inner.report(reports).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.inner.next_due().await
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        self.inner.register(registration).await
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed> {
        self.inner.renew(coordinator, heartbeats, lost_after).await
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        self.inner.deregister(session).await
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        self.inner.sweep(limit, last).await
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        self.inner.prune(retention, limit).await
    }

    async fn schema(&self) -> Result<Schema> {
        self.inner.schema().await
    }

    async fn migrate(&self) -> Result<()> {
        self.inner.migrate().await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.inner.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.inner.connections()
    }
}
