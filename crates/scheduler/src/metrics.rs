//! The scheduler's instruments. Cluster-wide figures of queues are the coordinator's.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use distrack_telemetry::Metrics;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, exponential_buckets,
};

use crate::problem::Code;

/// Queues that are counted under their own name; later ones are counted as `other`.
const MAX_QUEUES: usize = 100;
/// What the semantic conventions advise for HTTP.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The instruments of one scheduler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Instruments {
    scheduled: IntCounterVec,
    rejected: IntCounterVec,
    pub(crate) replays: IntCounter,
    requests: HistogramVec,
    pub(crate) waiting: IntGauge,
    pub(crate) batch: Histogram,
    queues: Arc<RwLock<HashSet<String>>>,
}

impl Instruments {
    /// Registers them.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        const VALID: &str = "the options are constant and valid";
        let counters = |name: &str, help: &str, label: &str| {
            metrics.register(IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID))
        };
        let replays = IntCounter::new(
            "distrack_idempotent_replays_total",
            "Submissions answered with the task of an earlier one under the same Idempotency-Key.",
        );
        let waiting =
            IntGauge::new("distrack_intake_waiting", "Tasks taken in and not yet committed or refused.");
        let batch = HistogramOpts::new("distrack_submit_batch_size", "Tasks stored in one transaction.")
            .buckets(exponential_buckets(1.0, 2.0, 11).expect(VALID));
        let requests = HistogramOpts::new(
            "http_server_request_duration_seconds",
            "From a request's head to its answer's head, waits included.",
        )
        .buckets(SECONDS.to_vec());
        let labels = ["http_request_method", "http_route", "http_response_status_code"];
        Self {
            scheduled: counters("distrack_tasks_scheduled_total", "Tasks accepted durably.", "queue"),
            rejected: counters(
                "distrack_tasks_rejected_total",
                "Submissions refused, by the code of their problem.",
                "reason",
            ),
            replays: metrics.register(replays.expect(VALID)),
            requests: metrics.register(HistogramVec::new(requests, &labels).expect(VALID)),
            waiting: metrics.register(waiting.expect(VALID)),
            batch: metrics.register(Histogram::with_opts(batch).expect(VALID)),
            queues: Arc::default(),
        }
    }

    /// Counts a task that was accepted.
    pub(crate) fn accepted(&self, queue: &str) {
        let label = if self.is_named(queue) { queue } else { "other" };
        self.scheduled.with_label_values(&[label]).inc();
    }

    /// Counts a refusal, if it was a submission's.
    pub(crate) fn refused(&self, method: &Method, route: Option<&str>, code: Code) {
        let submits =
            matches!(route, Some("/schedule" | "/v1/tasks" | "/v1/tasks/batch" | "/v1/tasks/{id}/retry"));
        if submits && method == Method::POST {
            self.rejected.with_label_values(&[code.as_str()]).inc();
        }
    }

    /// Measures a request that was answered.
    pub(crate) fn answered(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
        let method = if KNOWN.contains(&method.as_str()) { method.as_str() } else { "_OTHER" };
        let labels = [method, route.unwrap_or("unmatched"), status.as_str()];
        self.requests.with_label_values(&labels).observe(took.as_secs_f64());
    }

    fn is_named(&self, queue: &str) -> bool {
        if self.queues.read().unwrap_or_else(PoisonError::into_inner).contains(queue) {
            return true;
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if queues.len() < MAX_QUEUES {
            queues.insert(queue.to_owned());
        }
        queues.contains(queue)
    }
}
