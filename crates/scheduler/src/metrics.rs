//! The scheduler's instruments. Cluster-wide figures of queues are the coordinator's.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use distrack_core::TraceId;
use distrack_telemetry::{Histogram, HistogramVec, Metrics, QueueLabel, buckets, queue_label};
use prometheus::{IntCounter, IntCounterVec, IntGauge};

use crate::problem::Code;
use crate::request_trace::method_name;

/// Where a task came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A request about one task.
    Api,
    /// A request about many.
    Batch,
    /// A user's repetition of a task that ended.
    Retry,
    /// The scheduler itself.
    Canary,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Batch => "batch",
            Self::Retry => "retry",
            Self::Canary => "canary",
        }
    }
}

/// The instruments of one scheduler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Instruments {
    scheduled: IntCounterVec,
    rejected: IntCounterVec,
    cancelled: IntCounterVec,
    pub(crate) replays: IntCounter,
    requests: HistogramVec,
    pub(crate) waiting: IntGauge,
    pub(crate) batch: Histogram,
    queue: QueueLabel,
}

impl Instruments {
    /// Registers them.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let rejected = metrics.counter_vec(
            "distrack_tasks_rejected_total",
            "Submissions refused, by the code of their problem.",
            &["reason"],
        );
        for code in Code::ALL.iter().filter(|code| code.refuses_submissions()) {
            rejected.with_label_values(&[code.as_str()]);
        }
        Self {
            scheduled: metrics.counter_vec(
                "distrack_tasks_scheduled_total",
                "Tasks accepted durably.",
                &["queue", "source"],
            ),
            rejected,
            cancelled: metrics.counter_vec(
                "distrack_tasks_cancelled_total",
                "Waiting tasks that a user cancelled.",
                &["queue"],
            ),
            replays: metrics.counter(
                "distrack_idempotent_replays_total",
                "Submissions answered with the task of an earlier one under the same Idempotency-Key.",
            ),
            requests: metrics.histogram_vec(
                "http_server_request_duration_seconds",
                "From a request's head to its answer's head, waits included.",
                &["http_request_method", "http_route", "http_response_status_code"],
                &buckets::CALL,
            ),
            waiting: metrics
                .int_gauge("distrack_intake_waiting", "Tasks taken in and not yet committed or refused."),
            batch: metrics.histogram(
                "distrack_submit_batch_size",
                "Tasks stored in one transaction.",
                &buckets::BATCH,
            ),
            queue: QueueLabel::new(),
        }
    }

    /// Counts a task that was accepted.
    pub(crate) fn accepted(&self, queue: &str, source: Source) {
        self.scheduled.with_label_values(&[self.queue.of(queue), source.as_str()]).inc();
    }

    /// Counts a waiting task that was cancelled, whose queue may not be known.
    pub(crate) fn cancelled(&self, queue: Option<&str>) {
        let queue = queue.map_or(queue_label::OTHER, |queue| self.queue.of(queue));
        self.cancelled.with_label_values(&[queue]).inc();
    }

    /// Counts a refusal, if it was a submission's.
    pub(crate) fn refused(&self, method: &Method, route: Option<&str>, code: Code) {
        let submits =
            matches!(route, Some("/schedule" | "/v1/tasks" | "/v1/tasks/batch" | "/v1/tasks/{id}/retry"));
        if submits && method == Method::POST {
            self.rejected.with_label_values(&[code.as_str()]).inc();
        }
    }

    /// Measures a request, and the trace that it is recorded in. Without a status the client hung up before its answer,
    /// which is told as 499, as others do.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: Option<StatusCode>,
        took: Duration,
        recorded: Option<TraceId>,
    ) {
        let status = status.as_ref().map_or("499", StatusCode::as_str);
        let labels = [method_name(method), route.unwrap_or("unmatched"), status];
        self.requests.with_label_values(&labels).observe_traced(took.as_secs_f64(), recorded);
    }
}
