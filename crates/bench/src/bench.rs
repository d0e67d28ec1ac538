//! What all workloads share: the system, how much to do, what is counted meanwhile.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::api::{Accepted, Task};
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
    /// The name of the run.
    pub(crate) run: String,
    /// How many marks were given.
    pub(crate) marks: usize,
    /// Tasks a second that can be submitted in batches, as far as is known.
    pub(crate) submitted: f64,
    /// Commands and empty tasks a second that the system drains, as far as is known.
    pub(crate) capacity: BTreeMap<&'static str, f64>,
}

impl Bench {
    /// A mark that no other task of this or another run has.
    pub(crate) fn mark(&mut self) -> String {
        self.marks += 1;
        format!("{}-{}", self.run, self.marks)
    }

    /// Every task with a mark, whose first one this is.
    pub(crate) async fn marked(&self, mark: &str, first: &Accepted) -> Result<Vec<Task>> {
        self.system.api.marked(mark, first.created_at).await
    }
}

/// What one round gave.
pub(crate) struct Outcome {
    pub(crate) points: Vec<Point>,
    pub(crate) hops: Hops,
    /// Hops that the database does not see.
    pub(crate) more_hops: Vec<HopReport>,
    pub(crate) latencies: Vec<(&'static str, Latencies)>,
    pub(crate) checks: Checks,
    pub(crate) notes: Vec<String>,
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
            notes: Vec::new(),
        }
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
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}
