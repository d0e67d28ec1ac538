//! `soak`: a steady load for long. What grows, and what slows down?

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::drain::{Executor, capacity};
use super::ended::{all_ended, until_each_has};
use crate::api::Task;
use crate::bench::{Bench, Outcome, Sample};
use crate::calibrate::Calibrator::{Spawn, SpawnOne};
use crate::check::Checks;
use crate::cost::Meter;
use crate::effects::Effects;
use crate::figure::{Better, Point};
use crate::hops::Way;
use crate::latency::Latencies;
use crate::pace::{Plan, open};
use crate::progress::Progress;

/// The part of what the system can do.
const PART: f64 = 0.7;
const LASTS: Duration = Duration::from_secs(30 * 60);
const QUARTERS: u32 = 4;

/// Measures once.
pub(crate) async fn round(bench: &mut Bench) -> Result<Outcome> {
    let rate = match bench.load.rate {
        Some(rate) => rate,
        None => PART * capacity(bench, Executor::Process).await?,
    };
    let lasts = bench.load.duration.unwrap_or(LASTS);
    let plan = Plan::lasting(rate, lasts);
    let mark = bench.mark();
    let effects = Effects::of(bench, &mark);
    let task = effects.task();
    bench.progress.phase(format!("soak: {rate:.0} tasks a second for {lasts:?}"));
    bench.meter.start().await?;
    let api = &bench.system.api;
    let sending = open(plan, bench.load.connections, |_| api.submit_one(&task));
    let (sent, samples) = futures::try_join!(sending, samples(&mut bench.meter, &mut bench.progress, lasts))?;
    let ids: Vec<String> = sent.iter().map(|sent| sent.answer.task_id.clone()).collect();
    all_ended(api, &ids, &mut bench.progress).await?;
    let mut outcome = Outcome::new();
    outcome.samples = samples;
    let (attempts, more_hops) = bench.meter.stop(plan.count).await?;
    outcome.more_hops = more_hops;
    let tasks = until_each_has(|| bench.marked(&mark, &sent[0].answer)).await?;
    outcome.checks = Checks::of(&ids, &tasks, &["completed"]);
    effects.check(bench, &tasks, &mut outcome.checks).await?;
    if let Some(attempts) = attempts.filter(|_| bench.system.is_own) {
        outcome.checks.attempts(attempts, plan.count);
    }
    outcome.hops.add_all(&tasks);
    let quarters = Quarters::of(&tasks).context("no task has ended")?;
    let [first, last] = quarters.ends();
    let drift = |name, better, value| Point { name, unit: "last/first", better, value, to: &[] };
    outcome.points = vec![
        Point::rate("soak.throughput", "tasks/s", quarters.throughput, &[Spawn]),
        Point::millis("soak.start_p99", quarters.all.at(0.99), &[SpawnOne]),
        drift("soak.throughput_drift", Better::Higher, last.0 / first.0),
        drift("soak.start_p99_drift", Better::Lower, last.1 / first.1),
    ];
    let mut accept = Latencies::new();
    sent.iter().for_each(|sent| accept.record(sent.took));
    outcome.latencies = vec![("start", quarters.all), ("accept", accept)];
    outcome.notes.push(format!("about {rate:.0} tasks a second for {lasts:?}"));
    Ok(outcome)
}

/// Memory and dead rows at the beginning and at the end of each quarter.
async fn samples(meter: &mut Meter, progress: &mut Progress, lasts: Duration) -> Result<Vec<Sample>> {
    let began = Instant::now();
    let mut samples = Vec::new();
    for quarter in 0..=QUARTERS {
        let until = lasts * quarter / QUARTERS;
        while let Some(left) = until.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            let seconds = |lasts: Duration| usize::try_from(lasts.as_secs()).unwrap_or(usize::MAX);
            progress.at(seconds(began.elapsed()), seconds(lasts));
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
        }
        let (memory, dead_rows) = meter.sample().await?;
        samples.push(Sample { seconds: began.elapsed().as_secs_f64(), memory, dead_rows });
    }
    Ok(samples)
}

/// What was done in each quarter of the time in which tasks were accepted.
struct Quarters {
    /// Tasks that ended in it, and the start delays of those that were accepted in it.
    each: Vec<(usize, Latencies)>,
    seconds: f64,
    throughput: f64,
    all: Latencies,
}

impl Quarters {
    fn of(tasks: &[Task]) -> Option<Self> {
        let first = tasks.iter().map(Task::ready_at).min()?;
        let last = tasks.iter().map(Task::ready_at).max()?;
        let long = (last.since(first) / i64::from(QUARTERS)).max(1);
        let mut each = vec![(0, Latencies::new()); QUARTERS as usize];
        let mut all = Latencies::new();
        let mut ended = 0;
        for task in tasks {
            let quarter = |at: crate::stamp::Stamp| usize::try_from(at.since(first) / long).ok();
            if let Some(at) = task.ended_at().and_then(quarter)
                && let Some((count, _)) = each.get_mut(at)
            {
                *count += 1;
                ended += 1;
            }
            let Some(way) = Way::of(task) else { continue };
            all.record_micros(way.start());
            // The very last one is at the end of the last quarter.
            let at = quarter(task.ready_at())?.min(each.len() - 1);
            each[at].1.record_micros(way.start());
        }
        let seconds = long as f64 / 1e6;
        let throughput = f64::from(u32::try_from(ended).ok()?) / (seconds * f64::from(QUARTERS));
        Some(Self { each, seconds, throughput, all })
    }

    /// Tasks a second and the 99th percentile of the start delay, of the first and of the last quarter.
    fn ends(&self) -> [(f64, f64); 2] {
        let told = |(count, delays): &(usize, Latencies)| {
            // The API writes instants to the millisecond: less than one cannot be told from none.
            (*count as f64 / self.seconds, delays.at(0.99).max(1.0))
        };
        [told(&self.each[0]), told(&self.each[self.each.len() - 1])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    fn task(at_ms: i64, delay_ms: i64) -> Task {
        let at = |at: i64| Stamp(at * 1_000).to_string();
        let started = at_ms + delay_ms;
        let task = serde_json::json!({
            "task_id": "", "state": "completed", "attempt": 1, "trace_id": "", "created_at": at(at_ms), "due_at": at(at_ms),
            "picked_at": at(at_ms), "started_at": at(started), "completed_at": at(started),
        });
        serde_json::from_value(task).unwrap()
    }

    #[test]
    fn a_system_that_becomes_slower_is_seen_by_its_last_quarter() {
        let steady: Vec<Task> = (0..4_000).map(|n| task(n, 5)).collect();
        let [first, last] = Quarters::of(&steady).unwrap().ends();
        assert!((last.0 / first.0 - 1.0).abs() < 0.02 && last.1 == first.1, "{first:?} {last:?}");
        let slower: Vec<Task> = (0..4_000).map(|n| task(n, 5 + n * n / 40_000)).collect();
        let [first, last] = Quarters::of(&slower).unwrap().ends();
        assert!(last.0 < first.0 && last.1 > 3.0 * first.1, "{first:?} {last:?}");
    }
}
