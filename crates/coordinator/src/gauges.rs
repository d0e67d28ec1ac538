//! Gauges of the whole fleet. They come from the database, so that every coordinator shows the same value: take `max`
//! of them, never `sum`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use distrack_store::{QueueSnapshot, WorkerSession, WorkerState};
use distrack_telemetry::{Metrics, QueueLabel};
use prometheus::{Gauge, GaugeVec, IntGaugeVec};

/// The gauges. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gauges {
    queue: QueueLabel,
    taken_at: Gauge,
    queue_lag: GaugeVec,
    queue_tasks: IntGaugeVec,
    queue_workers: IntGaugeVec,
    queue_slots: IntGaugeVec,
    workers: IntGaugeVec,
    worker_heartbeat: GaugeVec,
    worker_slots_used: IntGaugeVec,
    worker_same_address: IntGaugeVec,
    shown_queues: Labels<String>,
    shown_workers: Labels<(String, String)>,
}

const STATES: [&str; 4] = ["scheduled", "ready", "dispatched", "running"];
const SLOTS: [&str; 2] = ["used", "free"];

/// The labels that are shown now.
#[derive(Clone, Debug, Default)]
struct Labels<T>(Arc<Mutex<BTreeSet<T>>>);

impl<T: Ord> Labels<T> {
    /// Shows others; returns those that are gone.
    fn replace<L: Into<T>>(&self, labels: impl IntoIterator<Item = L>) -> Vec<T> {
        let labels: BTreeSet<T> = labels.into_iter().map(Into::into).collect();
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = std::mem::take(&mut *shown).into_iter().filter(|label| !labels.contains(label)).collect();
        *shown = labels;
        gone
    }
}

/// What is shown of one label of `queue`, which `other` may share.
#[derive(Default)]
struct Shown {
    lag: f64,
    tasks: [u64; 4],
    workers: i64,
    slots: [i64; 2],
}

impl Gauges {
    /// Registers them.
    pub(crate) fn new(metrics: &Metrics, queue: QueueLabel) -> Self {
        let worker = ["worker", "worker_id"];
        Self {
            queue,
            taken_at: metrics.gauge(
                "distrack_snapshot_timestamp_seconds",
                "When this coordinator last read the fleet-wide gauges from the database, by the database's clock.",
            ),
            queue_lag: metrics.gauge_vec(
                "distrack_queue_lag_seconds",
                "Age of the oldest task that is due and not claimed; 0 if there is none. Fleet-wide: take max.",
                &["queue"],
            ),
            queue_tasks: metrics.int_gauge_vec(
                "distrack_queue_tasks",
                "Tasks that have not ended, by queue and state. Fleet-wide: take max.",
                &["queue", "state"],
            ),
            queue_workers: metrics.int_gauge_vec(
                "distrack_queue_workers",
                "Workers that are alive, not draining, and serve the queue. Fleet-wide: take max.",
                &["queue"],
            ),
            queue_slots: metrics.int_gauge_vec(
                "distrack_queue_slots",
                "Slots of the workers that serve the queue. Fleet-wide: take max.",
                &["queue", "state"],
            ),
            workers: metrics.int_gauge_vec(
                "distrack_workers",
                "Workers, by how their heartbeat stands. Fleet-wide: take max.",
                &["state"],
            ),
            worker_heartbeat: metrics.gauge_vec(
                "distrack_worker_last_heartbeat_timestamp_seconds",
                "When a worker was last heard, by the database's clock. Gone with its worker. Fleet-wide: take max.",
                &worker,
            ),
            worker_slots_used: metrics.int_gauge_vec(
                "distrack_worker_slots_used",
                "Slots in use, by the database. Fleet-wide: take max.",
                &worker,
            ),
            worker_same_address: metrics.int_gauge_vec(
                "distrack_worker_same_address",
                "Other live workers that advertise this worker's address. Must be 0. Fleet-wide: take max.",
                &worker,
            ),
            shown_queues: Labels::default(),
            shown_workers: Labels::default(),
        }
    }

    /// Shows how the fleet stood at an instant.
    pub(crate) fn show(&self, at: DateTime<Utc>, queues: &[QueueSnapshot], workers: &[WorkerSession]) {
        self.show_queues(queues, workers);
        self.show_workers(workers);
        self.taken_at.set(at.timestamp_micros() as f64 / 1e6);
    }

    fn show_queues(&self, queues: &[QueueSnapshot], workers: &[WorkerSession]) {
        let mut shown: BTreeMap<&str, Shown> = BTreeMap::new();
        for queue in queues {
            let shown = shown.entry(self.queue.of(queue.queue.as_str())).or_default();
            shown.lag = shown.lag.max(queue.lag.as_secs_f64());
            let tasks = [queue.scheduled, queue.ready, queue.dispatched, queue.running];
            shown.tasks.iter_mut().zip(tasks).for_each(|(sum, tasks)| *sum += tasks);
            let serving = workers.iter().filter(|worker| serves(worker, queue));
            let (mut count, mut slots) = (0, [0, 0]);
            for worker in serving {
                count += 1;
                slots[0] += i64::from(worker.held);
                slots[1] += i64::from(worker.slots.saturating_sub(worker.held));
            }
            // Of queues that share a label, the one that is served best: workers are not counted twice.
            if count > shown.workers {
                (shown.workers, shown.slots) = (count, slots);
            }
        }
        let gone = self.shown_queues.replace(shown.keys().copied());
        for queue in gone {
            // What a scrape in between may miss is only what is gone.
            let _ = self.queue_lag.remove_label_values(&[&queue]);
            let _ = self.queue_workers.remove_label_values(&[&queue]);
            for state in STATES {
                let _ = self.queue_tasks.remove_label_values(&[&queue, state]);
            }
            for state in SLOTS {
                let _ = self.queue_slots.remove_label_values(&[&queue, state]);
            }
        }
        for (queue, shown) in shown {
            self.queue_lag.with_label_values(&[queue]).set(shown.lag);
            for (state, tasks) in STATES.into_iter().zip(shown.tasks) {
                let tasks = i64::try_from(tasks).unwrap_or(i64::MAX);
                self.queue_tasks.with_label_values(&[queue, state]).set(tasks);
            }
            self.queue_workers.with_label_values(&[queue]).set(shown.workers);
            for (state, slots) in SLOTS.into_iter().zip(shown.slots) {
                self.queue_slots.with_label_values(&[queue, state]).set(slots);
            }
        }
    }

    fn show_workers(&self, workers: &[WorkerSession]) {
        let living = workers.iter().filter(|worker| worker.state != WorkerState::Lost);
        let labels = living.map(|worker| (worker.name.clone(), worker.worker.to_string()));
        for (name, id) in self.shown_workers.replace(labels) {
            let labels = [name.as_str(), id.as_str()];
            let _ = self.worker_heartbeat.remove_label_values(&labels);
            let _ = self.worker_slots_used.remove_label_values(&labels);
            let _ = self.worker_same_address.remove_label_values(&labels);
        }
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
            self.worker_slots_used.with_label_values(&labels).set(i64::from(worker.held));
            self.worker_same_address.with_label_values(&labels).set(i64::from(worker.same_address));
        }
        for (state, count) in ["alive", "late", "lost"].into_iter().zip(counts) {
            self.workers.with_label_values(&[state]).set(count);
        }
    }
}

fn serves(worker: &WorkerSession, queue: &QueueSnapshot) -> bool {
    worker.state == WorkerState::Alive
        && !worker.draining
        && worker.queues.as_ref().is_none_or(|queues| queues.contains(&queue.queue))
}
