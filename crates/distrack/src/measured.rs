//! Measures every step of a store: how long it took, how it failed, and how many connections that takes.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::why::Facts;
use distrack_core::{
    Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId, TraceContext, TraceId,
};
use distrack_store::{
    AttemptReport, AuditEntry, AuditNote, AuditQuery, CancelAnswer, ClaimRequest, Claims, Connections,
    HeartbeatSeen, Hint, ListQuery, NextDue, Progress, Pruned, QueueSnapshot, Registered, Registration,
    Released, Renewed, Reported, Retention, Schema, Store, StoreError, Submission, SubmitMode, Submitted,
    Swept, Wakeup, WorkerSession,
};
use distrack_telemetry::{HistogramVec, Metrics, buckets};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec};

type Result<T> = std::result::Result<T, StoreError>;

/// A store whose steps are measured.
pub(crate) struct Measured {
    store: Arc<dyn Store>,
    took: HistogramVec,
    failed: IntCounterVec,
}

impl Measured {
    /// Registers the instruments.
    pub(crate) fn new(store: Arc<dyn Store>, metrics: &Metrics) -> Self {
        let took = metrics.histogram_vec(
            "distrack_db_step_duration_seconds",
            "From asking the store for an atomic step to its answer, the wait for a connection included.",
            &["step"],
            &buckets::DB,
        );
        let failed =
            metrics.counter_vec("distrack_db_errors_total", "Steps that failed, by kind.", &["step", "kind"]);
        let gauge = metrics.unregistered_int_gauge_vec(
            "distrack_db_pool_connections",
            "Connections of this process to the database, by lane (what they are for) and state (used, idle, max).",
            &["lane", "state"],
        );
        metrics.register(Pool { store: Arc::clone(&store), gauge });
        Self { store, took, failed }
    }

    async fn step<T>(&self, step: &'static str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.traced(step, work, |_| None).await
    }

    /// Measures a step that is part of the trace that `of` finds in its answer.
    async fn traced<T>(
        &self,
        step: &'static str,
        work: impl Future<Output = Result<T>> + Send,
        of: impl FnOnce(&T) -> Option<TraceId> + Send,
    ) -> Result<T> {
        let began = Instant::now();
        let answer = work.await;
        let trace = answer.as_ref().ok().and_then(of);
        self.took.with_label_values(&[step]).observe_traced(began.elapsed().as_secs_f64(), trace);
        // From its first use on, so that the first failure is an increase.
        self.failed.with_label_values(&[step, "unavailable"]);
        if let Err(error) = &answer {
            self.failed.with_label_values(&[step, kind(error)]).inc();
        }
        answer
    }
}

/// The trace of the first of many that is sampled.
fn sampled<'a>(contexts: impl IntoIterator<Item = &'a TraceContext>) -> Option<TraceId> {
    contexts.into_iter().find(|context| context.is_sampled()).map(|context| context.trace_id)
}

fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Unanswered(_) => "unanswered",
        StoreError::Conflict(_) => "conflict",
        StoreError::Refused(_) => "refused",
        StoreError::Corrupt(_) => "corrupt",
    }
}

/// Reads the pool when it is scraped.
#[derive(Clone)]
struct Pool {
    store: Arc<dyn Store>,
    gauge: IntGaugeVec,
}

impl Collector for Pool {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for Connections { lane, open, idle, max } in self.store.connections() {
            let states = [("used", open.saturating_sub(idle)), ("idle", idle), ("max", max)];
            for (state, connections) in states {
                self.gauge.with_label_values(&[lane, state]).set(i64::from(connections));
            }
        }
        self.gauge.collect()
    }
}

#[async_trait]
impl Store for Measured {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        let trace = sampled(submissions.iter().map(|submission| &submission.task.trace));
        self.traced("submit", self.store.submit_by(submissions, mode, notes), |_| trace).await
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        self.step("cancel", self.store.cancel_by(task, note)).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.step("audit", self.store.audit(query)).await
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        self.step("get", self.store.get(tasks)).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.step("list", self.store.list(query)).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.step("attempts", self.store.attempts(task)).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        self.step("explain", self.store.explain(task)).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.step("output", self.store.output(task, attempt)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.step("workers", self.store.workers()).await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.step("queue_snapshot", self.store.queue_snapshot()).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        let of = |claims: &Claims| sampled(claims.claimed.iter().map(|claimed| &claimed.trace));
        self.traced("claim", self.store.claim(request), of).await
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        self.step("release", self.store.release(attempts)).await
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        let of = |told: &Reported| sampled(told.progress.iter().filter_map(|attempt| attempt.trace.as_ref()));
        self.traced("report", self.store.report(reports), of).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.step("next_due", self.store.next_due()).await
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        self.step("register", self.store.register(registration)).await
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed> {
        self.step("renew", self.store.renew(coordinator, heartbeats, lost_after)).await
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        self.step("deregister", self.store.deregister(session)).await
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        self.step("sweep", self.store.sweep(limit, last)).await
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        self.step("prune", self.store.prune(retention, limit)).await
    }

    async fn schema(&self) -> Result<Schema> {
        self.step("schema", self.store.schema()).await
    }

    async fn migrate(&self) -> Result<()> {
        self.step("migrate", self.store.migrate()).await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.store.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.store.connections()
    }
}
