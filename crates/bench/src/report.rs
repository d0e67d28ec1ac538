//! What a run found, as it is written in JSON; docs/bench.md describes each field.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bench::Sample;
use crate::check::Checks;
use crate::cost::{Cost, Resident};
use crate::figure::Figure;
use crate::hops::{HopReport, Slow};
use crate::latency::Spread;

/// Raised when a field changes its meaning.
pub(crate) const FORMAT: u32 = 1;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The version of this form.
    pub(crate) format: u32,
    /// The version of the program that measured.
    pub(crate) version: &'static str,
    /// The name of the run; its tasks have the label `bench=<run>-<n>`.
    pub(crate) run: String,
    /// What was measured.
    pub(crate) system: SystemReport,
    /// The machine that measured.
    pub(crate) machine: MachineReport,
    pub(crate) workloads: Vec<WorkloadReport>,
    /// Whether no task was lost and none ran twice.
    pub(crate) good: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct SystemReport {
    /// `own` or `running`.
    pub(crate) started: &'static str,
    pub(crate) server: String,
    /// `postgres`, `sqlite` or `unknown`.
    pub(crate) store: &'static str,
    pub(crate) workers: usize,
    pub(crate) slots: u64,
    pub(crate) coordinators: Option<usize>,
}

/// The machine that measured.
#[derive(Debug, Serialize)]
pub(crate) struct MachineReport {
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) processor: Option<String>,
}

impl MachineReport {
    /// This one.
    pub(crate) fn this() -> Self {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {} {}", text(name.sysname()), text(name.release()), text(name.machine())),
            processor: model.map(|model| model.trim_start_matches([' ', '\t', ':']).to_owned()),
        }
    }
}

/// What one workload gave.
#[derive(Debug, Serialize)]
pub(crate) struct WorkloadReport {
    pub(crate) name: &'static str,
    pub(crate) rounds: usize,
    pub(crate) figures: Vec<Figure>,
    /// Distributions over all rounds, in milliseconds.
    pub(crate) latencies: BTreeMap<String, Spread>,
    pub(crate) hops: Vec<HopReport>,
    pub(crate) slowest: Vec<Slow>,
    pub(crate) checks: Checks,
    pub(crate) cost: Cost,
    /// Memory by role, where the processes are ours.
    pub(crate) memory: BTreeMap<String, Resident>,
    /// Memory and dead rows in the course of a long load.
    pub(crate) samples: Vec<Sample>,
    /// What one should know of these figures.
    pub(crate) notes: Vec<String>,
}
