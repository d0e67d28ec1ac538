//! One run from its start to its report.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::against::{self, Earlier};
use crate::bench::{Bench, Known, Outcome, submission};
use crate::calibrate::Machine;
use crate::cost::Meter;
use crate::figure::{Round, figures};
use crate::http::Call;
use crate::progress::Progress;
use crate::report::{FORMAT, MachineReport, Report, SystemReport, WorkloadReport};
use crate::settings::{Settings, Target, Workload};
use crate::table;
use crate::target::{self, Started, System};
use crate::workload::{self, drain};

/// How a run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was lost or doubled, and nothing is slower than it may be.
    Good,
    /// Something was lost or doubled.
    Unsound,
    /// Something is slower than `fail_below` allows.
    Slower,
    /// It was asked to stop.
    Stopped,
}

/// Measures, and writes the report to standard output. Whatever it started is stopped and removed before it returns, also
/// when `stop` comes.
///
/// # Errors
/// If something cannot be started, reached or read.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<Verdict> {
    // Read first: that it is missing should not be said after ten minutes.
    let earlier = settings.against.as_deref().map(Earlier::read).transpose()?;
    let mut started = Started::nothing()?;
    let measured = tokio::select! {
        report = Box::pin(measure(&settings, &mut started, Progress::new())) => report.map(Some),
        () = stop => Ok(None),
    };
    let stopped = started.stop().await;
    Progress::new().end();
    let Some(report) = measured? else {
        stopped?;
        return Ok(Verdict::Stopped);
    };
    let compared = earlier.map(|earlier| against::compare(&earlier, &report));
    let written = if settings.json {
        let mut document = serde_json::to_value(&report)?;
        if let Some(compared) = &compared {
            document["against"] = serde_json::to_value(compared)?;
        }
        document.to_string()
    } else {
        table::report(&report, compared.as_deref())
    };
    let mut out = std::io::stdout().lock();
    out.write_all(written.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .context("the report cannot be written")?;
    stopped?;
    let slower = settings.fail_below.zip(compared).is_some_and(|(least, all)| against::worst(&all) < least);
    Ok(match (report.good, slower) {
        (false, _) => Verdict::Unsound,
        (true, true) => Verdict::Slower,
        (true, false) => Verdict::Good,
    })
}

async fn measure(settings: &Settings, started: &mut Started, mut progress: Progress) -> Result<Report> {
    let run = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let mut known = Known { run: run.clone(), ..Known::default() };
    let (mut system_report, mut workloads) = (None, Vec::new());
    let mut running = None;
    for workload in &settings.workloads {
        let mut bench = match running.take() {
            Some(bench) => bench,
            None => {
                progress.phase("starting");
                let system = target::ready(settings, started).await?;
                system_report.get_or_insert_with(|| describe(settings, &system));
                let meter = Meter::of(&system).await?;
                let mut bench =
                    Bench { system, load: settings.load.clone(), progress: Progress::new(), meter, known };
                drain::warm_up(&mut bench).await?;
                bench
            }
        };
        let connections = settings.load.connections;
        let exchange = exchange(&bench.system, &settings.load.queue).await?;
        let machine = Machine::of(&bench.system, connections, exchange);
        workloads.push(rounds(*workload, settings, &machine, &mut bench).await?);
        // Each of our own begins with nothing, so that no workload depends on what another one left behind.
        if bench.system.is_own {
            known = Known { backlog: Vec::new(), ..bench.known };
        } else {
            (known, running) = (Known::default(), Some(bench));
        }
    }
    Ok(Report {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        run,
        system: system_report.context("there is no workload")?,
        machine: MachineReport::this(),
        good: workloads.iter().all(|workload| workload.checks.is_good()),
        workloads,
    })
}

fn describe(settings: &Settings, system: &System) -> SystemReport {
    SystemReport {
        started: if system.is_own { "own" } else { "running" },
        server: system.api.server().uri.to_string(),
        store: system.kind.as_str(),
        workers: system.fleet.0,
        slots: system.fleet.1,
        coordinators: match &settings.target {
            Target::Own(own) => Some(own.coordinators),
            Target::Running(_) => None,
        },
    }
}

/// All rounds of a workload, with the machine's own measure before, between and after them.
async fn rounds(
    workload: Workload,
    settings: &Settings,
    machine: &Machine,
    bench: &mut Bench,
) -> Result<WorkloadReport> {
    let name = workload.as_str();
    let count = if workload == Workload::Soak { 1 } else { settings.rounds };
    let calibrators = workload::calibrators(workload);
    bench.meter.reset();
    let (mut rounds, mut all) = (Vec::new(), Outcome::new());
    bench.progress.phase(format!("{name}: what the machine does without it"));
    let mut before = machine.measure(calibrators).await?;
    for number in 1..=count {
        bench.progress.phase(format!("{name}: round {number} of {count}"));
        let mut outcome = Box::pin(workload::round(workload, bench)).await?;
        bench.progress.phase(format!("{name}: what the machine does without it"));
        let after = machine.measure(calibrators).await?;
        rounds.push(Round { points: std::mem::take(&mut outcome.points), before, after: after.clone() });
        before = after;
        all.add(outcome);
    }
    bench.empty().await?;
    let mut hops = all.hops.report();
    hops.extend(all.more_hops);
    Ok(WorkloadReport {
        name,
        rounds: count,
        figures: figures(&rounds),
        latencies: all
            .latencies
            .iter()
            .map(|(name, latencies)| ((*name).to_owned(), latencies.spread()))
            .collect(),
        hops,
        slowest: all.hops.slowest(&bench.system.api).await,
        checks: all.checks,
        cost: bench.meter.cost().await?,
        memory: bench.meter.resident(),
        samples: all.samples,
        notes: all.notes,
    })
}

/// A submission, and what the scheduler answers to it: the bare server reads and answers as much.
async fn exchange(system: &System, queue: &str) -> Result<(Call, Value)> {
    let call = Call::post("/schedule", submission("run-00000000", queue).to_string());
    let answer: Value = serde_json::from_slice(&system.api.call(&call).await?.good()?)?;
    let id = answer["task_id"].as_str().context("a submission is answered with an id")?;
    system.api.cancel(id).await?;
    Ok((call, answer))
}
