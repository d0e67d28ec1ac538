//! `latency`: how soon a task starts that may start at once, on an idle system and at half of what it can do.

use std::time::Duration;

use anyhow::Result;

use super::drain::{Executor, capacity};
use super::ended::{all_ended, until_each_has};
use crate::bench::{Bench, Outcome};
use crate::calibrate::Calibrator::SpawnOne;
use crate::check::Checks;
use crate::effects::Effects;
use crate::figure::Point;
use crate::hops::Way;
use crate::latency::Latencies;
use crate::pace::{Plan, open};

/// Tasks a second of an idle system, and how many.
const IDLE: f64 = 50.0;
const IDLE_TASKS: usize = 500;
/// The part of what the system can do that is half a load, and how long it lasts.
const HALF: f64 = 0.5;
const HALF_LASTS: Duration = Duration::from_secs(5);

/// What is told of one of the two.
struct Names {
    start: &'static str,
    accept: &'static str,
    p50: &'static str,
    p99: &'static str,
}

const OF_IDLE: Names = Names {
    start: "idle.start",
    accept: "idle.accept",
    p50: "latency.idle.start_p50",
    p99: "latency.idle.start_p99",
};
const OF_HALF: Names = Names {
    start: "half.start",
    accept: "half.accept",
    p50: "latency.half.start_p50",
    p99: "latency.half.start_p99",
};

/// Measures both once.
pub(crate) async fn round(bench: &mut Bench) -> Result<Outcome> {
    let mut outcome = Outcome::new();
    let idle = Plan { count: bench.load.tasks.unwrap_or(IDLE_TASKS), rate: IDLE };
    outcome.add_part(steady(bench, idle, &OF_IDLE).await?);
    let rate = match bench.load.rate {
        Some(rate) => rate,
        None => HALF * capacity(bench, Executor::Process).await?,
    };
    let half = match bench.load.tasks {
        Some(count) => Plan { count, rate },
        None => Plan::lasting(rate, bench.load.duration.unwrap_or(HALF_LASTS)),
    };
    outcome.notes.push(format!("half load is about {rate:.0} tasks a second"));
    outcome.add_part(steady(bench, half, &OF_HALF).await?);
    Ok(outcome)
}

async fn steady(bench: &mut Bench, plan: Plan, names: &Names) -> Result<Outcome> {
    let mark = bench.mark();
    let effects = Effects::of(bench, &mark);
    let task = effects.task();
    bench.meter.start().await?;
    let api = &bench.system.api;
    let sent = open(plan, bench.load.connections, |_| api.submit_one(&task)).await?;
    let ids: Vec<String> = sent.iter().map(|sent| sent.answer.task_id.clone()).collect();
    all_ended(api, &ids, &mut bench.progress).await?;
    let mut outcome = Outcome::new();
    let (attempts, more_hops) = bench.meter.stop(plan.count).await?;
    outcome.more_hops = more_hops;
    let tasks = until_each_has(|| bench.marked(&mark, &sent[0].answer)).await?;
    outcome.checks = Checks::of(&ids, &tasks, &["completed"]);
    effects.check(bench, &tasks, &mut outcome.checks).await?;
    if let Some(attempts) = attempts.filter(|_| bench.system.is_own) {
        outcome.checks.attempts(attempts, plan.count);
    }
    let ways = outcome.hops.add_exact(&bench.system.api, &tasks).await?;
    let start = Latencies::of(ways.iter().map(Way::start));
    outcome.points.push(Point::millis(names.p50, start.at(0.5), &[SpawnOne]));
    outcome.points.push(Point::millis(names.p99, start.at(0.99), &[SpawnOne]));
    let mut accept = Latencies::new();
    sent.iter().for_each(|sent| accept.record(sent.took));
    outcome.latencies = vec![(names.start, start), (names.accept, accept)];
    Ok(outcome)
}
