//! What a coordinator counts and measures of its own doing; [`crate::gauges`] shows the whole fleet.

use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{Cause, TaskState, TraceId};
use distrack_store::{Claimed, Progress, Receipt, Released};
use distrack_telemetry::{Histogram, HistogramVec, Metrics, QueueLabel, buckets};
use prometheus::{IntCounter, IntCounterVec, IntGauge};

/// Everything that a dispatch can come to.
const DISPATCHED: [&str; 6] =
    ["accepted", "duplicate", "refused", "not_delivered", "unanswered", "unreadable"];

/// The instruments. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    pub(crate) wakeups: IntCounterVec,
    pub(crate) claims: IntCounterVec,
    pub(crate) claim_size: Histogram,
    pub(crate) dispatch_seconds: Histogram,
    pub(crate) heartbeats: IntCounter,
    pub(crate) heartbeat_gap: Histogram,
    pub(crate) attached: IntGauge,
    pub(crate) sessions_lost: IntCounter,
    released: IntCounter,
    queue: QueueLabel,
    wait: HistogramVec,
    start_delay: HistogramVec,
    run: HistogramVec,
    completion: HistogramVec,
    finished: IntCounterVec,
    retries: IntCounterVec,
    lost: IntCounterVec,
    dispatches: IntCounterVec,
    reports: IntCounterVec,
}

impl Instruments {
    /// Registers them.
    pub(crate) fn new(metrics: &Metrics, queue: QueueLabel) -> Self {
        let instruments = Self {
            wakeups: metrics.counter_vec(
                "distrack_wakeups_total",
                "Wake-ups of the dispatch loop, by what woke it.",
                &["source"],
            ),
            claims: metrics.counter_vec(
                "distrack_claims_total",
                "Claims, by whether they brought anything.",
                &["result"],
            ),
            claim_size: metrics.histogram(
                "distrack_claim_batch_size",
                "Tasks of one claim that brought any.",
                &buckets::BATCH,
            ),
            dispatch_seconds: metrics.histogram(
                "distrack_dispatch_duration_seconds",
                "From the claim to the worker's answer.",
                &buckets::DB,
            ),
            heartbeats: metrics.counter("distrack_heartbeats_total", "Heartbeats received."),
            heartbeat_gap: metrics.histogram(
                "distrack_heartbeat_gap_seconds",
                "From one heartbeat of a worker to its next.",
                &buckets::START_DELAY,
            ),
            attached: metrics.int_gauge("distrack_attached_workers", "Workers attached to this coordinator."),
            sessions_lost: metrics.counter("distrack_sessions_lost_total", "Sessions whose lease ran out."),
            released: metrics.counter(
                "distrack_attempts_released_total",
                "Attempts given back because no worker held them.",
            ),
            queue,
            wait: metrics.histogram_vec(
                "distrack_task_wait_seconds",
                "From the instant an attempt was due to its claim.",
                &["queue"],
                &buckets::START_DELAY,
            ),
            start_delay: metrics.histogram_vec(
                "distrack_task_start_delay_seconds",
                "From scheduled_at to started_at of first attempts, by the database's clock.",
                &["queue"],
                &buckets::START_DELAY,
            ),
            run: metrics.histogram_vec(
                "distrack_task_run_duration_seconds",
                "From the start of a command to its end.",
                &["queue", "outcome"],
                &buckets::RUN,
            ),
            completion: metrics.histogram_vec(
                "distrack_task_completion_seconds",
                "From scheduled_at to the end of the task.",
                &["queue", "state"],
                &buckets::RUN,
            ),
            finished: metrics.counter_vec(
                "distrack_tasks_finished_total",
                "Tasks that ended, those cancelled while waiting aside.",
                &["queue", "state"],
            ),
            retries: metrics.counter_vec(
                "distrack_task_retries_total",
                "Attempts that ended and will be followed by another.",
                &["queue", "cause"],
            ),
            lost: metrics.counter_vec(
                "distrack_attempts_lost_total",
                "Attempts lost with their worker.",
                &["queue"],
            ),
            dispatches: metrics.counter_vec(
                "distrack_dispatch_total",
                "Attempts dispatched, by result.",
                &["result"],
            ),
            reports: metrics.counter_vec(
                "distrack_reports_total",
                "Report items received, by receipt.",
                &["receipt"],
            ),
        };
        instruments.start_at_zero();
        instruments
    }

    fn start_at_zero(&self) {
        let zero = |counter: &IntCounterVec, values: &[&str]| {
            for value in values {
                counter.with_label_values(&[*value]);
            }
        };
        zero(&self.wakeups, &["hint", "slot", "timer"]);
        zero(&self.claims, &["hit", "empty", "failed"]);
        zero(&self.dispatches, &DISPATCHED);
        zero(&self.reports, &["recorded", "duplicate", "stale"]);
    }

    /// Counts attempts by what became of their dispatch.
    pub(crate) fn dispatched(&self, result: &str, attempts: usize) {
        self.dispatches.with_label_values(&[result]).inc_by(attempts as u64);
    }

    /// Counts attempts that nobody runs, and the tasks that ended by that.
    pub(crate) fn gave_back(&self, released: &Released) {
        self.released.inc_by(released.attempts);
        for queue in &released.cancelled {
            self.ended(queue.as_str(), TaskState::Cancelled);
        }
    }

    /// Counts a report item.
    pub(crate) fn received(&self, receipt: Receipt) {
        let receipt = match receipt {
            Receipt::Recorded => "recorded",
            Receipt::Duplicate => "duplicate",
            Receipt::Stale => "stale",
        };
        self.reports.with_label_values(&[receipt]).inc();
    }

    /// Measures how long a claimed attempt waited.
    pub(crate) fn claimed(&self, claimed: &Claimed, trace: Option<TraceId>) {
        let queue = self.queue.of(claimed.queue.as_str());
        // From its first claim on: an increase from nothing is no increase.
        self.lost.with_label_values(&[queue]);
        self.wait.with_label_values(&[queue]).observe_traced(claimed.waited().as_secs_f64(), trace);
    }

    /// Measures what a step of the store made of an attempt.
    pub(crate) fn progressed(&self, progress: &Progress, trace: Option<TraceId>) {
        let queue = self.queue.of(progress.queue.as_str());
        if progress.starts
            && progress.number == 1
            && let Some(started_at) = progress.started_at
        {
            let delay = seconds(progress.scheduled_at, started_at);
            self.start_delay.with_label_values(&[queue]).observe_traced(delay, trace);
        }
        let Some(end) = progress.end else { return };
        let outcome = end.cause.map_or("success", Cause::as_str);
        if let Some(started_at) = progress.started_at {
            let ran = seconds(started_at, end.at);
            self.run.with_label_values(&[queue, outcome]).observe_traced(ran, trace);
        }
        if end.cause == Some(Cause::WorkerLost) {
            self.lost.with_label_values(&[queue]).inc();
        }
        if end.next.is_terminal() {
            let took = seconds(progress.scheduled_at, end.at);
            self.completion.with_label_values(&[queue, end.next.as_str()]).observe_traced(took, trace);
            self.ended(progress.queue.as_str(), end.next);
        } else {
            self.retries.with_label_values(&[queue, outcome]).inc();
        }
    }

    /// Counts a task that ended.
    pub(crate) fn ended(&self, queue: &str, state: TaskState) {
        self.finished.with_label_values(&[self.queue.of(queue), state.as_str()]).inc();
    }

    /// Measures the time between two heartbeats of a worker.
    pub(crate) fn heartbeat(&self, gap: Duration) {
        self.heartbeats.inc();
        self.heartbeat_gap.observe(gap.as_secs_f64());
    }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}
