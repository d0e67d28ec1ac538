//! `shell` and `noop`: tasks that all fall due at one instant, and how many end a second from then on.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::ended::{all_ended, until_each_has};
use crate::api::{Accepted, PAGE, Task};
use crate::bench::{Bench, Outcome};
use crate::calibrate::Calibrator;
use crate::check::Checks;
use crate::figure::Point;
use crate::hops::Hops;
use crate::stamp::Stamp;

/// What runs the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    /// `/bin/sh -c 'echo hello'`.
    Process,
    /// Nothing: a task completes at once.
    Noop,
}

impl Executor {
    /// As the API has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Noop => "noop",
        }
    }

    fn tasks(self) -> usize {
        match self {
            Self::Process => 4_000,
            Self::Noop => 10_000,
        }
    }
}

/// Batches on their way at once.
const LANES: usize = 2;
/// Seconds from the first submission to the instant, besides the time that all submissions need.
const LEAD: f64 = 1.0;
/// How often a round is tried again whose submissions took longer than that.
const TRIES: usize = 3;
/// What the first submissions of a run are for.
const WARM_UP: usize = 1_000;

/// Tasks that were drained, the first one at first.
struct Drained {
    mark: String,
    first: Accepted,
    ids: Vec<String>,
}

/// Drains once and tells all of it.
pub(crate) async fn round(bench: &mut Bench, executor: Executor) -> Result<Outcome> {
    let count = bench.load.tasks.unwrap_or(executor.tasks());
    bench.meter.start().await?;
    let drained = submit_and_wait(bench, executor, count).await?;
    let mut outcome = Outcome::new();
    let (attempts, more_hops) = bench.meter.stop(count).await?;
    outcome.more_hops = more_hops;
    let tasks = until_each_has(|| bench.marked(&drained.mark, &drained.first)).await?;
    let last = tasks.iter().filter_map(Task::ended_at).max().context("no task has ended")?;
    let rate = tasks.len() as f64 / last.seconds_since(drained.first.scheduled_at);
    bench.known.capacity.insert(executor.as_str(), rate);
    outcome.points.push(match executor {
        Executor::Process => Point::rate("shell.drained", "tasks/s", rate, &[Calibrator::Spawn]),
        Executor::Noop => Point::rate("noop.drained", "tasks/s", rate, &[Calibrator::ClaimFinish]),
    });
    // Most of them wait in line on purpose.
    outcome.hops = Hops::from_the_claim();
    outcome.hops.add_all(&tasks);
    outcome.checks = Checks::of(&drained.ids, &tasks, &["completed"]);
    if let Some(attempts) = attempts.filter(|_| bench.system.is_own) {
        outcome.checks.attempts(attempts, count);
    }
    if executor == Executor::Process {
        let expected: Vec<_> = drained.ids.into_iter().map(|id| (id, "hello\n".to_owned())).collect();
        outcome.checks.outputs(&bench.system.api, &expected).await?;
    }
    Ok(outcome)
}

/// What the system drains a second, measured on few tasks if nothing better is known.
pub(crate) async fn capacity(bench: &mut Bench, executor: Executor) -> Result<f64> {
    if let Some(known) = bench.known.capacity.get(executor.as_str()) {
        return Ok(*known);
    }
    let phase = format!("what it drains of {}, to choose a load", executor.as_str());
    bench.progress.phase(phase);
    let count = bench.load.tasks.unwrap_or(executor.tasks() / 2);
    let drained = submit_and_wait(bench, executor, count).await?;
    let tasks = until_each_has(|| bench.marked(&drained.mark, &drained.first)).await?;
    let last = tasks.iter().filter_map(Task::ended_at).max().context("no task has ended")?;
    let rate = tasks.len() as f64 / last.seconds_since(drained.first.scheduled_at);
    bench.known.capacity.insert(executor.as_str(), rate);
    Ok(rate)
}

/// Lets every part of the system run once before it is measured, and learns how fast it takes batches.
pub(crate) async fn warm_up(bench: &mut Bench) -> Result<()> {
    bench.progress.phase("warming up");
    let count = bench.load.tasks.unwrap_or(WARM_UP).min(WARM_UP);
    let mark = bench.mark();
    let task = task(bench, Executor::Process, &mark);
    let began = Instant::now();
    let accepted = bench.system.api.submit_batch(&vec![task; count]).await?;
    bench.known.submitted = count as f64 / began.elapsed().as_secs_f64();
    let ids = ids(accepted);
    all_ended(&bench.system.api, &ids, &mut bench.progress).await
}

async fn submit_and_wait(bench: &mut Bench, executor: Executor, count: usize) -> Result<Drained> {
    for _ in 0..TRIES {
        let mark = bench.mark();
        let lead = LEAD + 2.0 * count as f64 / bench.known.submitted;
        let began = Instant::now();
        let (first, accepted) = submit(bench, executor, count, &mark, lead).await?;
        bench.known.submitted = count as f64 / began.elapsed().as_secs_f64();
        let late =
            accepted.iter().map(|task| task.created_at).max().is_some_and(|last| last >= first.scheduled_at);
        let ids = ids(std::iter::once(first.clone()).chain(accepted));
        all_ended(&bench.system.api, &ids, &mut bench.progress).await?;
        if !late {
            return Ok(Drained { mark, first, ids });
        }
    }
    bail!("tasks could not be submitted before they were due, however long that was")
}

/// Submits tasks that are all due at one instant, which the first one names for all others, by the database's clock.
async fn submit(
    bench: &Bench,
    executor: Executor,
    count: usize,
    mark: &str,
    lead: f64,
) -> Result<(Accepted, Vec<Accepted>)> {
    let mut task = task(bench, executor, mark);
    task["delay_seconds"] = json!((lead * 1e3).round() / 1e3);
    let api = &bench.system.api;
    let first = api.submit_one(&task).await?;
    task.as_object_mut().context("a task is an object")?.remove("delay_seconds");
    let at: Stamp = first.scheduled_at;
    task["scheduled_at"] = json!(at.to_string());
    let sizes: Vec<usize> = (1..count).step_by(PAGE).map(|from| PAGE.min(count - from)).collect();
    let lanes = (0..LANES).map(|lane| {
        let (task, sizes) = (&task, &sizes);
        async move {
            let mut accepted = Vec::new();
            for size in sizes.iter().skip(lane).step_by(LANES) {
                accepted.extend(api.submit_batch(&vec![task.clone(); *size]).await?);
            }
            anyhow::Ok(accepted)
        }
    });
    let mut accepted: Vec<Accepted> = try_join_all(lanes).await?.into_iter().flatten().collect();
    // Of those that are due at one instant, the id decides.
    accepted.sort_by(|one, two| one.task_id.cmp(&two.task_id));
    Ok((first, accepted))
}

/// A task of this run.
pub(crate) fn task(bench: &Bench, executor: Executor, mark: &str) -> Value {
    json!({
        "command": "echo hello",
        "executor": executor.as_str(),
        "queue": bench.load.queue,
        "labels": {"bench": mark},
    })
}

/// The ids of tasks.
pub(crate) fn ids(accepted: impl IntoIterator<Item = Accepted>) -> Vec<String> {
    accepted.into_iter().map(|task| task.task_id).collect()
}
