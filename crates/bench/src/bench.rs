//! What all workloads share: the system, how much to do, what is counted meanwhile.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Accepted, Task, each};
use crate::check::Checks;
use crate::cost::Meter;
use crate::figure::Point;
use crate::hops::{HopReport, Hops};
use crate::latency::Latencies;
use crate::progress::Progress;
use crate::settings::Load;
use crate::target::System;

/// A run under way.
pub(crate) struct Bench {
    pub(crate) system: System,
    pub(crate) load: Load,
    pub(crate) progress: Progress,
    pub(crate) meter: Meter,
    pub(crate) known: Known,
}

/// What is known from one workload to the next.
#[derive(Default)]
pub(crate) struct Known {
    /// The name of the run.
    pub(crate) run: String,
    /// The ids of the tasks that wait in `deep`.
    pub(crate) backlog: Vec<String>,
    /// How many marks were given.
    pub(crate) marks: usize,
    /// Tasks a second that can be submitted in batches.
    pub(crate) submitted: f64,
    /// Commands and empty tasks a second that the system drains.
    pub(crate) capacity: BTreeMap<&'static str, f64>,
}

impl Bench {
    /// A mark that no other task of this or another run has.
    pub(crate) fn mark(&mut self) -> String {
        self.known.marks += 1;
        format!("{}-{}", self.known.run, self.known.marks)
    }

    /// Cancels what still waits of these, in a system that goes on after the run.
    pub(crate) async fn cancel(&mut self, tasks: &[Task]) -> Result<()> {
        self.progress.phase(format!("cancelling the {} tasks that wait", tasks.len()));
        let api = &self.system.api;
        each(tasks, |task| api.cancel(&task.task_id)).await.map(drop)
    }

    /// Cancels what waits for `deep`, in a system that goes on after the run.
    pub(crate) async fn empty(&mut self) -> Result<()> {
        let backlog = std::mem::take(&mut self.known.backlog);
        if self.system.is_own || backlog.is_empty() {
            return Ok(());
        }
        self.progress.phase(format!("cancelling the {} tasks that wait", backlog.len()));
        let api = &self.system.api;
        each(&backlog, |id| api.cancel(id)).await.map(drop)
    }

    /// Every task with a mark, whose first one this is.
    pub(crate) async fn marked(&self, mark: &str, first: &Accepted) -> Result<Vec<Task>> {
        self.system.api.marked(mark, first.created_at).await
    }
}

/// Seconds until a task is due that is only there to be submitted.
const MUCH_LATER: f64 = 86_400.0;

/// A task that is only there to be submitted.
pub(crate) fn submission(mark: &str, queue: &str) -> Value {
    json!({"command": "echo hello", "delay_seconds": MUCH_LATER, "queue": queue, "labels": {"bench": mark}})
}

/// What one round gave.
pub(crate) struct Outcome {
    pub(crate) points: Vec<Point>,
    pub(crate) hops: Hops,
    /// Hops that the database does not see.
    pub(crate) more_hops: Vec<HopReport>,
    pub(crate) latencies: Vec<(&'static str, Latencies)>,
    pub(crate) checks: Checks,
    pub(crate) samples: Vec<Sample>,
    pub(crate) notes: Vec<String>,
}

/// What was there at one moment of a long load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Since the beginning.
    pub(crate) seconds: f64,
    /// Resident bytes of the largest process of each role.
    pub(crate) memory: BTreeMap<String, u64>,
    /// Rows that are dead and not yet vacuumed.
    pub(crate) dead_rows: Option<f64>,
}

impl Outcome {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            points: Vec::new(),
            hops: Hops::new(),
            more_hops: Vec::new(),
            latencies: Vec::new(),
            checks: Checks::default(),
            samples: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a part of the same round, with its figures.
    pub(crate) fn add_part(&mut self, mut part: Self) {
        self.points.append(&mut part.points);
        self.add(part);
    }

    /// Adds another round's, whose figures are kept apart.
    pub(crate) fn add(&mut self, other: Self) {
        self.hops.add_those(other.hops);
        // The last round's: they are read off buckets, which cannot be added any more.
        self.more_hops = other.more_hops;
        for (name, latencies) in other.latencies {
            match self.latencies.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.add(&latencies),
                None => self.latencies.push((name, latencies)),
            }
        }
        self.checks.add(other.checks);
        self.samples.extend(other.samples);
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}
