//! A worker that does as the test says, straight in the database, as a coordinator would.

use std::collections::BTreeMap;
use std::time::Duration;

use distrack_core::{
    AttemptRef, Cause, CoordinatorId, InstanceId, Outcome, Output, SessionId, TaskId, TracePolicy, WorkerId,
};
use distrack_store::{
    AttemptEvent, AttemptReport, ClaimRequest, Claimed, Receipt, Registration, Slot, Store,
};
use distrack_store_sqlite::SqliteStore;

/// A worker with a session.
pub(crate) struct Worker {
    store: SqliteStore,
    pub(crate) registration: Registration,
    slot: Slot,
}

/// A worker `w1` that nobody has seen before.
pub(crate) fn stranger() -> Registration {
    Registration {
        worker: WorkerId::new(),
        sequence: 1,
        instance: InstanceId::new(),
        name: "w1".to_owned(),
        host: "h".to_owned(),
        address: "h:8000".to_owned(),
        coordinator: CoordinatorId::new(),
        slots: 8,
        queues: None,
        labels: BTreeMap::new(),
        version: "0.1.0".to_owned(),
        isolation: Some("plain".to_owned()),
        held: Vec::new(),
        lost_after: Duration::from_secs(3600),
    }
}

impl Worker {
    /// Registers a stranger.
    pub(crate) async fn join(store: &SqliteStore) -> Self {
        Self::join_as(store, stranger()).await
    }

    /// Registers a worker.
    pub(crate) async fn join_as(store: &SqliteStore, registration: Registration) -> Self {
        let registered = store.register(registration.clone()).await.unwrap();
        let slot = Slot { session: registered.session, attach: registered.attach };
        Self { store: store.clone(), registration, slot }
    }

    /// Its session.
    pub(crate) fn session(&self) -> SessionId {
        self.slot.session
    }

    /// Claims the only task that is due.
    pub(crate) async fn hold(&self, id: TaskId) -> AttemptRef {
        let mut claimed = Vec::new();
        let limit = std::time::Instant::now() + Duration::from_secs(10);
        while claimed.is_empty() {
            assert!(std::time::Instant::now() < limit, "the task is not due: {id}");
            claimed = self.claim().await;
        }
        assert_eq!(claimed[0].attempt.task, id, "the only due task is claimed");
        claimed[0].attempt
    }

    /// Runs whatever is due to the end of an attempt.
    pub(crate) async fn run_one(&self, outcome: Outcome) {
        for claimed in self.claim().await {
            self.report(claimed.attempt, AttemptEvent::Started { ago: Duration::ZERO }).await;
            self.finish(claimed.attempt, outcome.clone(), Output::default()).await;
        }
    }

    async fn claim(&self) -> Vec<Claimed> {
        let request = ClaimRequest {
            coordinator: self.registration.coordinator,
            queues: self.registration.queues.clone(),
            labels: self.registration.labels.clone(),
            slots: vec![self.slot],
            trace_policy: TracePolicy::Auto,
        };
        self.store.claim(request).await.unwrap().claimed
    }

    /// Claims the only task that is due and starts its command.
    pub(crate) async fn start(&self, id: TaskId) -> AttemptRef {
        let attempt = self.hold(id).await;
        self.report(attempt, AttemptEvent::Started { ago: Duration::ZERO }).await;
        attempt
    }

    /// Ends an attempt, which printed something.
    pub(crate) async fn finish(&self, attempt: AttemptRef, outcome: Outcome, output: Output) {
        let (ago, ran) = (Duration::ZERO, Some(Duration::ZERO));
        self.report(attempt, AttemptEvent::Finished { ago, ran, outcome, output }).await;
    }

    /// Runs the only task that is due to the end of an attempt.
    pub(crate) async fn run(&self, id: TaskId, outcome: Outcome) {
        self.print(id, outcome, Output::default()).await;
    }

    /// The same, with something printed.
    pub(crate) async fn print(&self, id: TaskId, outcome: Outcome, output: Output) {
        let attempt = self.start(id).await;
        self.finish(attempt, outcome, output).await;
    }

    async fn report(&self, attempt: AttemptRef, event: AttemptEvent) {
        // Without jitter a retry is due at once.
        let report = AttemptReport { attempt, session: None, jitter: 0.0, event };
        let reported = self.store.report(vec![report]).await.unwrap();
        assert_eq!(reported.receipts, [Receipt::Recorded]);
    }
}

/// The command ended with an exit code other than 0.
pub(crate) fn exit(code: i32) -> Outcome {
    Outcome { exit_code: Some(code), ..Outcome::failure(Cause::ExitCode, format!("exit code {code}")) }
}
