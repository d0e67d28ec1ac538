//! `deep`: very many tasks wait for a far day, and a thousand a second fall due beside them: do those start on time?

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::drain::{Executor, capacity, ids, task};
use super::ended::{all_ended, until_each_has};
use crate::api::{Accepted, PAGE};
use crate::bench::{Bench, Outcome, submission};
use crate::calibrate::Calibrator::SpawnOne;
use crate::check::Checks;
use crate::figure::Point;
use crate::hops::Way;
use crate::latency::Latencies;
use crate::pace::Plan;
use crate::whole::micros;

/// Tasks a second that fall due, if the system can do twice as many.
const RATE: f64 = 1_000.0;
const LASTS: Duration = Duration::from_secs(10);
/// Batches on their way at once.
const LANES: usize = 2;
/// Seconds before the first one is due, besides the time that submitting them takes.
const LEAD: f64 = 2.0;

/// Measures once, with the backlog that the first round makes.
pub(crate) async fn round(bench: &mut Bench) -> Result<Outcome> {
    let executor =
        if bench.load.executor == Executor::Noop.as_str() { Executor::Noop } else { Executor::Process };
    let able = capacity(bench, executor).await?;
    fill(bench).await?;
    let rate = bench.load.rate.unwrap_or(RATE.min(able / 2.0));
    let plan = match bench.load.tasks {
        Some(count) => Plan { count, rate },
        None => Plan::lasting(rate, bench.load.duration.unwrap_or(LASTS)),
    };
    let mark = bench.mark();
    bench.progress.phase(format!(
        "deep: {} tasks at {rate:.0} a second, {} wait",
        plan.count,
        bench.known.backlog.len()
    ));
    bench.meter.start().await?;
    let (first, accepted) = due_in_turn(bench, executor, plan, &mark).await?;
    let last_accepted = accepted.iter().map(|task| task.created_at).max().context("a plan has a task")?;
    let first_due = accepted.iter().map(|task| task.scheduled_at).min().context("a plan has a task")?;
    ensure!(last_accepted < first_due, "tasks could not be submitted before the first one was due");
    let ids = ids(accepted);
    all_ended(&bench.system.api, &ids, &mut bench.progress).await?;
    let mut outcome = Outcome::new();
    let (attempts, more_hops) = bench.meter.stop(plan.count).await?;
    outcome.more_hops = more_hops;
    let tasks = until_each_has(|| bench.marked(&mark, &first)).await?;
    outcome.checks = Checks::of(&ids, &tasks, &["completed"]);
    if let Some(attempts) = attempts.filter(|_| bench.system.is_own) {
        outcome.checks.attempts(attempts, plan.count);
    }
    let ways = outcome.hops.add_exact(&bench.system.api, &tasks).await?;
    let start = Latencies::of(ways.iter().map(Way::start));
    outcome.points.push(Point::millis("deep.start_p50", start.at(0.5), &[SpawnOne]));
    outcome.points.push(Point::millis("deep.start_p99", start.at(0.99), &[SpawnOne]));
    outcome.latencies = vec![("start", start)];
    let (waiting, name) = (bench.known.backlog.len(), executor.as_str());
    outcome.notes.push(format!("{waiting} tasks waited; about {rate:.0} a second of {name} fell due"));
    Ok(outcome)
}

/// Submits what is to wait, as much as is missing.
async fn fill(bench: &mut Bench) -> Result<()> {
    let wanted = bench.load.backlog;
    let mark = bench.mark();
    while bench.known.backlog.len() < wanted {
        if bench.known.backlog.is_empty() {
            bench.progress.phase(format!("deep: submitting {wanted} tasks that are to wait"));
        }
        let missing = wanted - bench.known.backlog.len();
        let task = submission(&mark, &bench.load.queue);
        let api = &bench.system.api;
        let batch = vec![task; PAGE];
        let lanes = (0..LANES).map(|lane| {
            let size = missing.saturating_sub(lane * PAGE).min(PAGE);
            let batch = &batch[..size];
            async move { if batch.is_empty() { Ok(Vec::new()) } else { api.submit_batch(batch).await } }
        });
        let accepted = try_join_all(lanes).await?;
        bench.known.backlog.extend(ids(accepted.into_iter().flatten()));
        bench.progress.at(bench.known.backlog.len(), wanted);
    }
    Ok(())
}

/// Submits the tasks of a plan, each with an instant of its own by the database's clock, in their order. The first one
/// only names the beginning, and is one of them.
async fn due_in_turn(
    bench: &Bench,
    executor: Executor,
    plan: Plan,
    mark: &str,
) -> Result<(Accepted, Vec<Accepted>)> {
    let api = &bench.system.api;
    let mut task = task(bench, executor, mark);
    let lead = LEAD + 2.0 * plan.count as f64 / bench.known.submitted;
    task["delay_seconds"] = json!((lead * 1e3).round() / 1e3);
    let first = api.submit_one(&task).await?;
    task.as_object_mut().context("a task is an object")?.remove("delay_seconds");
    let due = |number: usize| -> Value {
        let mut task = task.clone();
        let later = micros(number as f64 / plan.rate);
        task["scheduled_at"] = json!(first.scheduled_at.plus(later).to_string());
        task
    };
    let mut accepted = vec![first.clone()];
    for from in (1..plan.count).step_by(PAGE) {
        let batch: Vec<Value> = (from..plan.count.min(from + PAGE)).map(due).collect();
        accepted.extend(api.submit_batch(&batch).await?);
    }
    Ok((first, accepted))
}
