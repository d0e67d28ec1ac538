//! `mixed`: writers, readers and cancels at once, each an open load of its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::drain::{Executor, capacity};
use super::ended::{all_ended, until_each_has};
use crate::api::Accepted;
use crate::bench::{Bench, Outcome};
use crate::calibrate::Calibrator::SpawnOne;
use crate::check::Checks;
use crate::effects::Effects;
use crate::figure::Point;
use crate::http::Call;
use crate::latency::Latencies;
use crate::pace::{Plan, open};

/// The part of what the system can do that writers ask for.
const PART: f64 = 0.3;
const LASTS: Duration = Duration::from_secs(10);
/// One task of so many is not due for long, and is cancelled meanwhile.
const CANCELLED: usize = 10;
/// Reads for each task that is written: a list, and a task, why it stands so, and what it printed.
const READS: f64 = 1.0;
const READ: [(&str, &str); 4] = [
    ("list", "mixed.list_p99"),
    ("get", "mixed.get_p99"),
    ("why", "mixed.why_p99"),
    ("output", "mixed.output_p99"),
];

/// Tasks that others may do something to.
#[derive(Default)]
struct Written {
    due: Mutex<Vec<String>>,
    waiting: Mutex<Vec<String>>,
}

impl Written {
    fn add(&self, id: &str, waits: bool) {
        let list = if waits { &self.waiting } else { &self.due };
        list.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
    }

    /// One of the latest that are due; by its number, so that not all ask for the same.
    fn one(&self, number: usize) -> Option<String> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let back = number % 100 % due.len().max(1);
        due.iter().rev().nth(back).cloned()
    }

    fn take_waiting(&self) -> Option<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Measures once.
pub(crate) async fn round(bench: &mut Bench) -> Result<Outcome> {
    let rate = match bench.load.rate {
        Some(rate) => rate,
        None => PART * capacity(bench, Executor::Process).await?,
    };
    let mark = bench.mark();
    let effects = Effects::of(bench, &mark);
    let lasts = bench.load.duration.unwrap_or(LASTS);
    let plan = match bench.load.tasks {
        Some(count) => Plan { count, rate },
        None => Plan::lasting(rate, lasts),
    };
    let written = Written::default();
    bench.meter.start().await?;
    let loads = Loads { bench, effects: &effects, mark: &mark, written: &written, plan };
    let (writes, reads, cancels) = futures::try_join!(loads.write(), loads.read(), loads.cancel())?;
    let api = &bench.system.api;
    while let Some(left) = written.take_waiting() {
        api.cancel(&left).await?;
    }
    let ids: Vec<String> = writes.iter().map(|(id, _)| id.task_id.clone()).collect();
    all_ended(api, &ids, &mut bench.progress).await?;
    let mut outcome = Outcome::new();
    let (_, more_hops) = bench.meter.stop(plan.count).await?;
    outcome.more_hops = more_hops;
    let tasks = until_each_has(|| bench.marked(&mark, &writes[0].0)).await?;
    outcome.checks = Checks::of(&ids, &tasks, &["completed", "cancelled"]);
    effects.check(bench, &tasks, &mut outcome.checks).await?;
    let completed: Vec<_> = tasks.into_iter().filter(|task| task.state == "completed").collect();
    let ways = outcome.hops.add_exact(&bench.system.api, &completed).await?;
    let start = Latencies::of(ways.iter().map(crate::hops::Way::start));
    outcome.points.push(Point::millis("mixed.start_p99", start.at(0.99), &[SpawnOne]));
    let mut submit = Latencies::new();
    writes.iter().for_each(|(_, took)| submit.record(*took));
    outcome.points.push(Point::millis("mixed.submit_p99", submit.at(0.99), &[SpawnOne]));
    outcome.latencies = vec![("start", start), ("submit", submit)];
    for ((name, figure), latencies) in READ.into_iter().zip(reads) {
        outcome.points.push(Point::millis(figure, latencies.at(0.99), &[SpawnOne]));
        outcome.latencies.push((name, latencies));
    }
    outcome.points.push(Point::millis("mixed.cancel_p99", cancels.at(0.99), &[SpawnOne]));
    outcome.latencies.push(("cancel", cancels));
    outcome
        .notes
        .push(format!("about {rate:.0} tasks a second were submitted, as many reads, a tenth was cancelled"));
    Ok(outcome)
}

struct Loads<'a> {
    bench: &'a Bench,
    effects: &'a Effects,
    mark: &'a str,
    written: &'a Written,
    plan: Plan,
}

impl Loads<'_> {
    async fn write(&self) -> Result<Vec<(Accepted, Duration)>> {
        let api = &self.bench.system.api;
        let now = self.effects.task();
        let mut later = now.clone();
        later["delay_seconds"] = json!(3_600);
        let sent = open(self.plan, self.bench.load.connections, async |number| {
            let waits = number % CANCELLED == CANCELLED - 1;
            let accepted = api.submit_one(if waits { &later } else { &now }).await?;
            self.written.add(&accepted.task_id, waits);
            Ok(accepted)
        });
        Ok(sent.await?.into_iter().map(|sent| (sent.answer, sent.took)).collect())
    }

    /// How long each kind of read took.
    async fn read(&self) -> Result<[Latencies; 4]> {
        let api = &self.bench.system.api;
        let plan = Plan { count: self.plan.count, rate: self.plan.rate * READS };
        let sent = open(plan, self.bench.load.connections, async |number| {
            let kind = number % READ.len();
            let path = match (kind, self.written.one(number)) {
                (0, _) | (_, None) => format!("/v1/tasks?label=bench%3D{}&limit=50", self.mark),
                (1, Some(id)) => format!("/v1/tasks/{id}"),
                (2, Some(id)) => format!("/v1/tasks/{id}/why"),
                (_, Some(id)) => format!("/v1/tasks/{id}/output"),
            };
            let answer = api.call(&Call::get(path)).await?;
            // A task that has printed nothing yet has no output.
            if answer.status != 404 {
                answer.good()?;
            }
            Ok(kind)
        });
        let mut latencies = [(); 4].map(|()| Latencies::new());
        sent.await?.iter().for_each(|sent| latencies[sent.answer].record(sent.took));
        Ok(latencies)
    }

    async fn cancel(&self) -> Result<Latencies> {
        let api = &self.bench.system.api;
        let part = 1.0 / CANCELLED as f64;
        let count = (self.plan.count / CANCELLED).max(1);
        let plan = Plan { count, rate: self.plan.rate * part };
        let sent = open(plan, self.bench.load.connections, async |_| match self.written.take_waiting() {
            Some(id) => api.cancel(&id).await.map(|()| true),
            // None was written meanwhile.
            None => Ok(false),
        });
        let mut latencies = Latencies::new();
        sent.await?.iter().filter(|sent| sent.answer).for_each(|sent| latencies.record(sent.took));
        Ok(latencies)
    }
}
