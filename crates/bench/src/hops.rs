//! Where a task's time went, hop by hop, each by the clock that it is of; and which tasks were the slowest.

use anyhow::Result;
use serde::Serialize;

use crate::api::{Api, Phases, Task, each};
use crate::latency::{Latencies, Spread};

/// How many of the slowest tasks are shown.
const SLOWEST: usize = 10;

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// Accepted, and waiting for its time: asked for, and no delay.
    Scheduled,
    /// Due, or accepted later than that, until claimed.
    Ready,
    /// Claimed, until its command started.
    Dispatched,
    /// Started, until it ended.
    Running,
}

impl Hop {
    const ALL: [Self; 4] = [Self::Scheduled, Self::Ready, Self::Dispatched, Self::Running];

    fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "accepted_due",
            Self::Ready => "due_claimed",
            Self::Dispatched => "claimed_started",
            Self::Running => "started_finished",
        }
    }

    fn phase(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Dispatched => "dispatched",
            Self::Running => "running",
        }
    }
}

/// What each hop of one task took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Way {
    scheduled: i64,
    ready: i64,
    dispatched: i64,
    running: i64,
}

impl Way {
    /// By the instants of a task, which are written to the millisecond; none of one that has not run to its end.
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let ready_at = task.ready_at();
        let (picked, started, ended) = (task.picked_at?, task.started_at?, task.ended_at()?);
        Some(Self {
            scheduled: ready_at.since(task.created_at),
            ready: picked.since(ready_at),
            dispatched: started.since(picked),
            running: ended.since(started),
        })
    }

    /// By the phases that the API tells of it, to the microsecond.
    pub(crate) fn exact(phases: &Phases) -> Self {
        let of = |hop: Hop| phases.of(hop.phase());
        let (scheduled, ready) = (of(Hop::Scheduled), of(Hop::Ready));
        Self { scheduled, ready, dispatched: of(Hop::Dispatched), running: of(Hop::Running) }
    }

    fn at(&self, hop: Hop) -> i64 {
        match hop {
            Hop::Scheduled => self.scheduled,
            Hop::Ready => self.ready,
            Hop::Dispatched => self.dispatched,
            Hop::Running => self.running,
        }
    }

    /// From when it could run to its start.
    pub(crate) fn start(&self) -> i64 {
        self.ready + self.dispatched
    }

    /// From when it could run to its end.
    pub(crate) fn total(&self) -> i64 {
        self.start() + self.running
    }

    /// The hop that took longest, waiting for its time aside.
    fn worst(&self) -> Hop {
        let hops = [Hop::Ready, Hop::Dispatched, Hop::Running];
        hops.into_iter().max_by_key(|hop| self.at(*hop)).unwrap_or(Hop::Ready)
    }
}

/// A hop as it is reported.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HopReport {
    pub(crate) hop: String,
    /// Whose clock it is by.
    pub(crate) clock: String,
    /// In milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) count: u64,
}

/// A slow task.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Slow {
    pub(crate) task_id: String,
    pub(crate) trace_id: String,
    /// From when it could run to its end, in milliseconds; in a drain from its claim.
    pub(crate) total: f64,
    pub(crate) worst_hop: String,
    pub(crate) worst: f64,
    /// The API's page of its way.
    pub(crate) trace: String,
    /// Where a Jaeger shows it, if the scheduler knows one.
    pub(crate) url: Option<String>,
}

/// The ways of many tasks.
pub(crate) struct Hops {
    each: Vec<Latencies>,
    slowest: Vec<Slow>,
    /// Whether a task's time begins when it is claimed, since it waits in line on purpose.
    from_claim: bool,
}

impl Hops {
    /// Of no task yet.
    pub(crate) fn new() -> Self {
        Self { each: Hop::ALL.map(|_| Latencies::new()).into(), slowest: Vec::new(), from_claim: false }
    }

    /// The same, of tasks that wait in line on purpose: which of them are slow is told from their claim on.
    pub(crate) fn from_the_claim() -> Self {
        Self { from_claim: true, ..Self::new() }
    }

    /// Adds a task.
    pub(crate) fn add(&mut self, task: &Task, mut way: Way) {
        for (hop, latencies) in Hop::ALL.into_iter().zip(&mut self.each) {
            latencies.record_micros(way.at(hop));
        }
        if self.from_claim {
            way.ready = 0;
        }
        let total = way.total() as f64 / 1e3;
        if self.slowest.len() == SLOWEST && self.slowest[SLOWEST - 1].total >= total {
            return;
        }
        let worst = way.worst();
        let at = self.slowest.partition_point(|slow| slow.total >= total);
        let slow = Slow {
            task_id: task.task_id.clone(),
            trace_id: task.trace_id.clone(),
            total,
            worst_hop: worst.as_str().to_owned(),
            worst: way.at(worst) as f64 / 1e3,
            trace: format!("/v1/tasks/{}/trace", task.task_id),
            url: None,
        };
        self.slowest.insert(at, slow);
        self.slowest.truncate(SLOWEST);
    }

    /// Adds tasks by the instants that are written of them.
    pub(crate) fn add_all(&mut self, tasks: &[Task]) {
        tasks
            .iter()
            .filter_map(|task| Some((task, Way::of(task)?)))
            .for_each(|(task, way)| self.add(task, way));
    }

    /// Adds tasks by their exact phases, and returns those.
    pub(crate) async fn add_exact(&mut self, api: &Api, tasks: &[Task]) -> Result<Vec<Way>> {
        let phases = each(tasks, |task| api.phases(&task.task_id)).await?;
        let ways: Vec<Way> = phases.iter().map(Way::exact).collect();
        tasks.iter().zip(&ways).for_each(|(task, way)| self.add(task, *way));
        Ok(ways)
    }

    /// Adds those of another round.
    pub(crate) fn add_those(&mut self, other: Self) {
        self.each.iter_mut().zip(&other.each).for_each(|(all, more)| all.add(more));
        self.slowest.extend(other.slowest);
        self.slowest.sort_by(|one, two| two.total.total_cmp(&one.total));
        self.slowest.truncate(SLOWEST);
    }

    /// What is reported of each.
    pub(crate) fn report(&self) -> Vec<HopReport> {
        let told = |(hop, latencies): (Hop, &Latencies)| {
            let Spread { p50, p99, count, .. } = latencies.spread();
            HopReport { hop: hop.as_str().to_owned(), clock: "database".to_owned(), p50, p99, count }
        };
        let all = Hop::ALL.into_iter().zip(&self.each);
        all.filter(|(_, latencies)| latencies.count() > 0).map(told).collect()
    }

    /// The slowest tasks, the slowest first, with the addresses of their traces.
    pub(crate) async fn slowest(self, api: &Api) -> Vec<Slow> {
        let mut slowest = self.slowest;
        for slow in &mut slowest {
            // Only a convenience: a scheduler that cannot tell it now fails no run.
            slow.url = api.trace_url(&slow.task_id).await.unwrap_or_default();
        }
        slowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, instants: [i64; 5]) -> Task {
        let at = |at: i64| crate::stamp::Stamp(at * 1_000).to_string();
        let [created, due, picked, started, completed] = instants.map(at);
        let task = serde_json::json!({
            "task_id": id, "state": "completed", "attempt": 1, "trace_id": "", "created_at": created, "due_at": due,
            "picked_at": picked, "started_at": started, "completed_at": completed,
        });
        serde_json::from_value(task).unwrap()
    }

    #[test]
    fn a_task_that_was_due_before_it_was_accepted_has_waited_since_then_only() {
        let way = Way::of(&task("a", [100, 90, 103, 104, 114])).unwrap();
        assert_eq!(way, Way { scheduled: 0, ready: 3_000, dispatched: 1_000, running: 10_000 });
        let later = Way::of(&task("a", [100, 190, 191, 195, 196])).unwrap();
        assert_eq!((later.scheduled, later.start(), later.total()), (90_000, 5_000, 6_000));
        assert_eq!(later.worst(), Hop::Dispatched, "waiting for its time is no delay");
    }

    #[test]
    fn the_slowest_tasks_are_kept_in_their_order() {
        let mut hops = Hops::new();
        let tasks: Vec<Task> =
            (0..40).map(|n| task(&n.to_string(), [0, 0, n * 7 % 40, 50, 60 + n * 7 % 40])).collect();
        hops.add_all(&tasks[..20]);
        let mut more = Hops::new();
        more.add_all(&tasks[20..]);
        hops.add_those(more);
        let totals: Vec<f64> = hops.slowest.iter().map(|slow| slow.total).collect();
        assert_eq!(totals, (0..10).map(|n| f64::from(99 - n)).collect::<Vec<_>>());
        assert_eq!(hops.report()[3].count, 40);
    }
}
