//! A coordinator's instruments. Gauges of the whole fleet come from the database, so that every
//! coordinator shows the same value: take `max` of them, never `sum`.

use distrack_store::{QueueSnapshot, Receipt, WorkerSession, WorkerState};
use distrack_telemetry::Metrics;
use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts};

/// The most queues with a series of their own; the rest share `other`.
const MAX_QUEUES: usize = 100;

const WAIT_BUCKETS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
const CALL_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The instruments. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    pub(crate) wakeups: IntCounterVec,
    pub(crate) claims: IntCounterVec,
    pub(crate) claim_size: Histogram,
    pub(crate) wait_seconds: Histogram,
    pub(crate) dispatch_seconds: Histogram,
    pub(crate) heartbeats: IntCounter,
    pub(crate) sessions_lost: IntCounter,
    pub(crate) attempts_lost: IntCounter,
    pub(crate) tasks_expired: IntCounter,
    dispatches: IntCounterVec,
    reports: IntCounterVec,
    queue_lag: GaugeVec,
    queue_tasks: IntGaugeVec,
    workers: IntGaugeVec,
    worker_heartbeat: GaugeVec,
    worker_same_address: IntGaugeVec,
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counters = |name: &str, help: &str, label: &str| {
            metrics.register(IntCounterVec::new(Opts::new(name, help), &[label]).expect("constant and valid"))
        };
        let counter = |name: &str, help: &str| {
            metrics.register(IntCounter::new(name, help).expect("constant and valid"))
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            metrics.register(Histogram::with_opts(opts).expect("constant and valid"))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            metrics.register(GaugeVec::new(Opts::new(name, help), labels).expect("constant and valid"))
        };
        let int_gauges = |name: &str, help: &str, labels: &[&str]| {
            metrics.register(IntGaugeVec::new(Opts::new(name, help), labels).expect("constant and valid"))
        };
        Self {
            wakeups: counters(
                "distrack_wakeups_total",
                "Wake-ups of the dispatch loop, by what woke it.",
                "source",
            ),
            claims: counters("distrack_claims_total", "Claims, by whether anything was due.", "result"),
            claim_size: histogram(
                "distrack_claim_batch_size",
                "Tasks of one claim that found any.",
                &BATCH_BUCKETS,
            ),
            wait_seconds: histogram(
                "distrack_task_wait_seconds",
                "From the instant a task was due to its claim.",
                &WAIT_BUCKETS,
            ),
            dispatch_seconds: histogram(
                "distrack_dispatch_duration_seconds",
                "From the claim to the worker's acceptance.",
                &CALL_BUCKETS,
            ),
            heartbeats: counter("distrack_heartbeats_total", "Heartbeats received."),
            sessions_lost: counter("distrack_sessions_lost_total", "Sessions whose lease ran out."),
            attempts_lost: counter("distrack_attempts_lost_total", "Attempts lost with their worker."),
            tasks_expired: counter(
                "distrack_tasks_expired_total",
                "Tasks not started before their expires_at.",
            ),
            dispatches: counters("distrack_dispatch_total", "Attempts dispatched, by result.", "result"),
            reports: counters("distrack_reports_total", "Report items received, by receipt.", "receipt"),
            queue_lag: gauges(
                "distrack_queue_lag_seconds",
                "Age of the oldest task that is due and not claimed; 0 if there is none. Fleet-wide: take max.",
                &["queue"],
            ),
            queue_tasks: int_gauges(
                "distrack_queue_tasks",
                "Tasks that have not ended, by queue and state. Fleet-wide: take max.",
                &["queue", "state"],
            ),
            workers: int_gauges("distrack_workers", "Workers by state. Fleet-wide: take max.", &["state"]),
            worker_heartbeat: gauges(
                "distrack_worker_last_heartbeat_timestamp_seconds",
                "When a worker was last heard, by the database's clock. Gone with its worker. Fleet-wide: take max.",
                &["worker", "worker_id"],
            ),
            worker_same_address: int_gauges(
                "distrack_worker_same_address",
                "Other live workers that advertise this worker's address. Must be 0. Fleet-wide: take max.",
                &["worker", "worker_id"],
            ),
        }
    }

    pub(crate) fn dispatched(&self, result: &str, attempts: usize) {
        self.dispatches.with_label_values(&[result]).inc_by(attempts as u64);
    }

    pub(crate) fn received(&self, receipt: Receipt) {
        let receipt = match receipt {
            Receipt::Recorded => "recorded",
            Receipt::Duplicate => "duplicate",
            Receipt::Stale => "stale",
        };
        self.reports.with_label_values(&[receipt]).inc();
    }

    pub(crate) fn show_queues(&self, queues: &[QueueSnapshot]) {
        self.queue_lag.reset();
        self.queue_tasks.reset();
        for (index, queue) in queues.iter().enumerate() {
            let name = if index < MAX_QUEUES { queue.queue.as_str() } else { "other" };
            let lag = self.queue_lag.with_label_values(&[name]);
            lag.set(lag.get().max(queue.lag.as_secs_f64()));
            let states = [
                ("scheduled", queue.scheduled),
                ("ready", queue.ready),
                ("dispatched", queue.dispatched),
                ("running", queue.running),
            ];
            for (state, tasks) in states {
                self.queue_tasks
                    .with_label_values(&[name, state])
                    .add(i64::try_from(tasks).unwrap_or(i64::MAX));
            }
        }
    }

    pub(crate) fn show_workers(&self, workers: &[WorkerSession]) {
        self.worker_heartbeat.reset();
        self.worker_same_address.reset();
        let mut counts = [0; 3];
        for worker in workers {
            let state = match worker.state {
                WorkerState::Alive => 0,
                WorkerState::Late => 1,
                WorkerState::Lost => 2,
            };
            counts[state] += 1;
            if worker.state == WorkerState::Lost {
                continue;
            }
            let heard = worker.last_heartbeat_at.timestamp_micros() as f64 / 1e6;
            // Names need not be unique.
            let labels = [worker.name.as_str(), &worker.worker.to_string()];
            self.worker_heartbeat.with_label_values(&labels).set(heard);
            self.worker_same_address.with_label_values(&labels).set(i64::from(worker.same_address));
        }
        for (state, count) in ["alive", "late", "lost"].into_iter().zip(counts) {
            self.workers.with_label_values(&[state]).set(count);
        }
    }
}
