//! What the load costs: processor time and memory of each service, the database's log and its dead rows.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use sqlx::PgConnection;

use crate::hops::HopReport;
use crate::metrics::Scrape;
use crate::target::database::{self, Counters};
use crate::target::{System, process};
use crate::whole::whole;

/// Everything that is counted, at one moment.
struct Reading {
    /// Processor time in seconds, by role.
    cpu: BTreeMap<String, f64>,
    database: Option<Counters>,
    scrape: Scrape,
}

/// What it was for a number of tasks.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Cost {
    pub(crate) tasks: usize,
    /// Processor time a task by role, in milliseconds; `commands` is what they ran, `postgres` the server.
    pub(crate) cpu_ms_per_task: BTreeMap<String, f64>,
    /// Bytes of the database's log a task.
    pub(crate) wal_bytes_per_task: Option<f64>,
    /// Rows that are dead and not yet vacuumed, at the end.
    pub(crate) dead_rows: Option<f64>,
}

/// Memory of the processes of a role, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Resident {
    /// Before any load.
    pub(crate) at_rest: u64,
    /// Now.
    pub(crate) after: u64,
    /// The most that ever was.
    pub(crate) peak: u64,
}

/// Reads what is counted, before and after.
pub(crate) struct Meter {
    processes: Vec<(&'static str, u32)>,
    metrics: Vec<String>,
    database: Option<PgConnection>,
    began: Option<Reading>,
    /// What was counted for these tasks in all.
    tasks: usize,
    cpu: BTreeMap<String, f64>,
    wal_bytes: f64,
    at_rest: BTreeMap<String, u64>,
}

impl Meter {
    /// A meter of a system.
    pub(crate) async fn of(system: &System) -> Result<Self> {
        let database = match &system.database {
            Some(url) => Some(database::connect(url).await?),
            None => None,
        };
        let mut meter = Self {
            processes: system.processes.clone(),
            metrics: system.metrics.clone(),
            database,
            began: None,
            tasks: 0,
            cpu: BTreeMap::new(),
            wal_bytes: 0.0,
            at_rest: BTreeMap::new(),
        };
        meter.at_rest = meter.memory().into_iter().map(|(role, memory)| (role, memory.resident)).collect();
        Ok(meter)
    }

    /// Forgets what was counted for another workload.
    pub(crate) fn reset(&mut self) {
        (self.tasks, self.wal_bytes) = (0, 0.0);
        self.cpu.clear();
    }

    /// Begins to count.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.began = Some(self.read().await?);
        Ok(())
    }

    /// Stops counting: it was for so many tasks. Returns the attempts that the workers count for the time, if they could
    /// be asked, and the hops that only the coordinators' clocks see.
    pub(crate) async fn stop(&mut self, tasks: usize) -> Result<(Option<u64>, Vec<HopReport>)> {
        let Some(began) = self.began.take() else { return Ok((None, Vec::new())) };
        let now = self.read().await?;
        self.tasks += tasks;
        for (role, seconds) in &now.cpu {
            *self.cpu.entry(role.clone()).or_default() +=
                seconds - began.cpu.get(role).copied().unwrap_or(0.0);
        }
        if let (Some(now), Some(began)) = (&now.database, &began.database) {
            self.wal_bytes += now.wal_bytes - began.wal_bytes;
        }
        let attempts = |scrape: &Scrape| scrape.sum("distrack_attempts_total");
        let counted =
            attempts(&now.scrape).zip(attempts(&began.scrape)).map(|(now, began)| whole(now - began));
        Ok((counted, coordinators(&now.scrape, &began.scrape)))
    }

    /// What was counted since the last reset.
    pub(crate) async fn cost(&mut self) -> Result<Cost> {
        let tasks = self.tasks.max(1) as f64;
        let database = self.counters().await?;
        Ok(Cost {
            tasks: self.tasks,
            cpu_ms_per_task: self
                .cpu
                .iter()
                .map(|(role, seconds)| (role.clone(), seconds * 1e3 / tasks))
                .collect(),
            wal_bytes_per_task: database.map(|_| self.wal_bytes / tasks),
            dead_rows: database.map(|counters| counters.dead_rows),
        })
    }

    /// Resident bytes of each role and dead rows, now. Of a system that is not ours, as its services tell it.
    pub(crate) async fn sample(&mut self) -> Result<(BTreeMap<String, u64>, Option<f64>)> {
        let dead_rows = self.counters().await?.map(|counters| counters.dead_rows);
        let memory = match self.processes.is_empty() {
            true => Scrape::of(&self.metrics).await.resident(),
            false => self.memory().into_iter().map(|(role, memory)| (role, memory.resident)).collect(),
        };
        Ok((memory, dead_rows))
    }

    /// The memory of each role now, beside what it was before any load.
    pub(crate) fn resident(&self) -> BTreeMap<String, Resident> {
        let rest = |role: &str| self.at_rest.get(role).copied().unwrap_or(0);
        let memory = self.memory().into_iter();
        memory
            .map(|(role, now)| {
                let resident = Resident { at_rest: rest(&role), after: now.resident, peak: now.peak };
                (role, resident)
            })
            .collect()
    }

    /// The largest process of each role.
    fn memory(&self) -> BTreeMap<String, process::Memory> {
        let mut all: BTreeMap<String, process::Memory> = BTreeMap::new();
        for (role, pid) in &self.processes {
            if let Some(memory) = process::memory(*pid) {
                let known = all.entry((*role).to_owned()).or_default();
                known.resident = known.resident.max(memory.resident);
                known.peak = known.peak.max(memory.peak);
            }
        }
        all
    }

    async fn counters(&mut self) -> Result<Option<Counters>> {
        match &mut self.database {
            Some(connection) => database::counters(connection).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read(&mut self) -> Result<Reading> {
        let mut cpu: BTreeMap<String, f64> = BTreeMap::new();
        for (role, pid) in &self.processes {
            if let Some(seconds) = process::cpu(*pid) {
                *cpu.entry((*role).to_owned()).or_default() += seconds.own;
                *cpu.entry("commands".to_owned()).or_default() += seconds.children;
            }
        }
        let database = self.counters().await?;
        // A server that is not ours serves others, too.
        if let Some(seconds) =
            database.and_then(|counters| counters.cpu).filter(|_| !self.processes.is_empty())
        {
            cpu.insert("postgres".to_owned(), seconds);
        }
        Ok(Reading { cpu, database, scrape: Scrape::of(&self.metrics).await })
    }
}

/// What is in no row of the database: handing an attempt over, and writing down what was reported.
fn coordinators(now: &Scrape, began: &Scrape) -> Vec<HopReport> {
    let hops = [
        ("claimed_dispatched", "distrack_dispatch_duration_seconds", ""),
        ("reported_recorded", "distrack_db_step_duration_seconds", "step=\"report\""),
    ];
    let told = |(hop, metric, label): (&str, &str, &str)| {
        let (count, [p50, p99]) = now.since(began, metric, label, [0.5, 0.99])?;
        let (p50, p99, count) = (p50 * 1e3, p99 * 1e3, whole(count));
        Some(HopReport { hop: hop.to_owned(), clock: "coordinator".to_owned(), p50, p99, count })
    };
    hops.into_iter().filter_map(told).collect()
}
