//! What a fault has at hand: the fleet, the load, who looks on, and a notebook for the judge.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::boot::Boot;
use super::checker::Violation;
use super::command;
use super::effects::Run;
use super::history::{Cut, Recovery, Rules};
use super::load::Load;
use super::watch::Watch;
use super::world::World;
use crate::api::Api;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Names of attempts: the task and its epoch.
pub type Attempts = Vec<(String, i64)>;

/// What a fault wrote down for the judge.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// When workers were away.
    pub cuts: Vec<Cut>,
    /// What came back, and when.
    pub recoveries: Vec<Recovery>,
    /// What is worth telling.
    pub figures: Vec<(String, String)>,
    /// Instants by name.
    pub instants: BTreeMap<&'static str, Boot>,
    /// Attempts by name.
    pub attempts: BTreeMap<&'static str, Attempts>,
    /// What was wrong at once.
    pub violations: Vec<Violation>,
    /// Whether answers of the database may have been lost.
    pub database_was_hurt: bool,
    /// Whether commands were let out of their group on purpose.
    pub may_escape: bool,
}

/// Everything that a fault acts on.
#[derive(Debug)]
pub struct Scene {
    /// The number of the fault.
    pub fault: &'static str,
    /// The fleet.
    pub world: World,
    /// The clients.
    pub load: Load,
    /// Who looks on.
    pub watch: Watch,
    dice: Mutex<StdRng>,
    notes: Mutex<Notes>,
    extra: Mutex<usize>,
}

impl Scene {
    /// Puts together what a fault acts on.
    pub fn new(fault: &'static str, world: World, load: Load, watch: Watch, seed: u64) -> Self {
        let dice = Mutex::new(StdRng::seed_from_u64(seed ^ 0xfa17));
        // Far from the numbers of the load.
        Self { fault, world, load, watch, dice, notes: Mutex::default(), extra: Mutex::new(1_000_000) }
    }

    /// What holds for the run.
    pub fn rules(&self) -> Rules {
        let plan = &self.world.plan;
        let (heartbeat, lost_after) = (plan.heartbeat, plan.lost_after);
        let may_escape = self.notes().may_escape;
        Rules {
            heartbeat,
            lost_after,
            kill_grace: plan.kill_grace,
            slots: plan.slots,
            may_escape,
            ..Rules::default()
        }
    }

    /// How long a worker without a sign of life is kept.
    pub fn lost_after(&self) -> Duration {
        self.world.plan.lost_after
    }

    /// The notebook.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number below `end`, by the seed.
    pub fn roll(&self, end: usize) -> usize {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..end)
    }

    /// Writes down an instant, now.
    pub fn mark(&self, name: &'static str) -> Boot {
        let now = Boot::now();
        self.notes().instants.insert(name, now);
        now
    }

    /// Writes down something worth telling.
    pub fn figure(&self, name: impl Into<String>, value: impl ToString) {
        self.notes().figures.push((name.into(), value.to_string()));
    }

    /// Writes down what is wrong.
    pub fn violate(&self, what: impl Into<String>) {
        self.notes().violations.push(Violation::general(self.fault, what));
    }

    /// The fault cannot be made on this machine, which is said aloud.
    pub fn skip(&self, reason: &str) {
        self.figure("NOT TESTED", format!("{}: {reason}", self.fault));
    }

    /// A worker is out of reach from now on.
    pub fn cut_begins(&self, worker: usize) {
        self.notes().cuts.push(Cut { worker: format!("worker-{worker}"), from: Boot::now(), until: None });
    }

    /// It was heard again, now.
    pub fn cut_ends(&self, worker: usize) {
        let name = format!("worker-{worker}");
        let now = Boot::now();
        for cut in self.notes().cuts.iter_mut().filter(|cut| cut.worker == name) {
            cut.until.get_or_insert(now);
        }
    }

    /// Waits for a condition; says whether it came true within `limit`.
    pub async fn until<F: Future<Output = bool>>(
        &self,
        limit: Duration,
        mut look: impl FnMut() -> F,
    ) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            if look().await {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for something to come back and writes down how long that took, beside the time that it may take.
    pub async fn recovers<F: Future<Output = bool>>(
        &self,
        what: impl Into<String>,
        budget: Duration,
        look: impl FnMut() -> F,
    ) -> bool {
        let (what, began) = (what.into(), Instant::now());
        // Beyond its budget it is late, and how late is worth knowing.
        let came = self.until(budget * 2 + Duration::from_secs(5), look).await;
        let took = began.elapsed();
        self.figure(what.clone(), format!("{took:.2?} of {budget:?}"));
        self.notes().recoveries.push(Recovery { what, took, budget });
        came
    }

    /// Waits until the load is under way: tasks end and several run.
    pub async fn warm(&self) {
        let ok = self.until(Duration::from_secs(60), || async {
            let (ended, running) = self.watch.counts();
            ended >= 25 && running >= 2
        });
        if !ok.await {
            self.violate(format!(
                "the load did not get under way: {:?} ended and running",
                self.watch.counts()
            ));
        }
    }

    /// Waits until `more` further runs have ended, which they must.
    pub async fn goes_on(&self, more: usize) {
        let before = self.watch.counts().0;
        let ended = || self.watch.counts().0 - before;
        if !self.until(Duration::from_secs(60), || async { ended() >= more }).await {
            self.violate(format!(
                "it does not go on: {} of {more} further runs ended within a minute",
                ended()
            ));
        }
    }

    /// Waits until a run starts that had not started at this moment, and judges how long that takes.
    pub async fn starts_again(&self, what: &str, budget: Duration) -> bool {
        let before = self.watch.effects().runs.len();
        self.recovers(what, budget, || async { self.watch.effects().runs.len() > before }).await
    }

    /// A connection to the database that no fault touches.
    ///
    /// # Errors
    /// If there is none.
    pub async fn database(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.world.database.url()).await?)
    }

    /// The attempts that a worker holds by the database and whose commands run.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn runs_on(&self, worker: usize) -> Result<Attempts> {
        let mut connection = self.database().await?;
        let held: Attempts = sqlx::query_as(
            "SELECT id::text, epoch FROM tasks WHERE state IN (1, 2) AND worker = $1 AND cancel_requested_at IS NULL",
        )
        .bind(format!("worker-{worker}"))
        .fetch_all(&mut connection)
        .await?;
        let open = self.open();
        Ok(held.into_iter().filter(|(task, epoch)| open.iter().any(|run| is(run, task, *epoch))).collect())
    }

    /// The runs that have not ended.
    pub fn open(&self) -> Vec<Run> {
        let runs = self.watch.effects().runs;
        runs.into_iter().filter(|run| run.ended.is_none() && run.gone.is_none()).collect()
    }

    /// Waits until a worker runs at least `count` commands, and returns which.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn busy(&self, worker: usize, count: usize) -> Result<Attempts> {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let runs = self.runs_on(worker).await?;
            if runs.len() >= count {
                return Ok(runs);
            }
            if Instant::now() >= deadline {
                self.violate(format!("worker-{worker} has {} commands at once, never {count}", runs.len()));
                return Ok(runs);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a worker runs one of these tasks, and returns which, with all that it runs then.
    ///
    /// # Errors
    /// If the database cannot be asked, or nobody is given any of them.
    pub async fn holder_of(&self, tasks: &[String]) -> Result<(usize, Attempts)> {
        let workers = self.world.workers.len();
        let first = self.roll(workers);
        let deadline = Instant::now() + Duration::from_secs(40);
        while Instant::now() < deadline {
            for worker in (first..first + workers).map(|n| n % workers) {
                let runs = self.runs_on(worker).await?;
                if runs.iter().any(|(task, _)| tasks.contains(task)) {
                    return Ok((worker, runs));
                }
            }
            sleep(LOOK_EVERY).await;
        }
        bail!("no worker was given any of the tasks that this is about")
    }

    /// A client of the first scheduler that no weather reaches.
    pub fn api(&self) -> Api {
        self.world.schedulers[0].api()
    }

    /// Submits a task of this script beside the load, with these further fields, and returns its id.
    ///
    /// # Errors
    /// If it is not accepted.
    pub async fn submit(&self, kind: &'static str, script: &str, fields: &Value) -> Result<String> {
        let n = {
            let mut extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
            *extra += 1;
            *extra
        };
        let mut body = fields.clone();
        body["command"] = command::with_effects(script, &self.world.effects()).into();
        body["labels"] = serde_json::json!({"n": n.to_string(), "kind": kind});
        let answer = self.api().submit(&body).await?;
        Ok(answer["task_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Submits `count` tasks that run for so long, and returns them.
    ///
    /// # Errors
    /// If one is not accepted.
    pub async fn submit_long(&self, count: usize, seconds: u64) -> Result<Vec<String>> {
        let mut tasks = Vec::new();
        for _ in 0..count {
            tasks.push(self.submit("long", &format!("sleep {seconds}"), &serde_json::json!({})).await?);
        }
        Ok(tasks)
    }

    /// Whether a worker says that it is attached to a coordinator.
    pub async fn is_attached(&self, worker: usize) -> bool {
        self.metric(worker, "distrack_worker_attached").await == Some(1.0)
    }

    /// The sum of a worker's series of this name.
    pub async fn metric(&self, worker: usize, name: &str) -> Option<f64> {
        let admin = Api::impatient(self.world.workers[worker].admin().base().to_owned());
        sum_of(&admin.get("/metrics").await.ok()?.text(), name)
    }
}

/// Whether a run is of this attempt.
pub fn is(run: &Run, task: &str, epoch: i64) -> bool {
    run.task == task && run.epoch == epoch
}

/// The sum of all series of a name, with labels or without, in the text format.
pub fn sum_of(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{']).then_some(())?;
        rest.rsplit_once(' ')?.1.parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_added_and_no_others() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\na_b 9\nc 1\n";
        assert_eq!(sum_of(text, "a"), Some(5.0));
        assert_eq!(sum_of(text, "d"), None);
    }
}
