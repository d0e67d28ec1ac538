//! One run: a fleet under load, a fault, the healing, the end of every task, the verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::checker::{self, Violation};
use super::faults::{Fault, When};
use super::gather;
use super::history::History;
use super::load::{Habits, Load};
use super::scene::{Notes, Scene};
use super::watch::Watch;
use super::world::{Plan, World};
use super::{dump, effects, timeline};

/// How long no task may end after the healing while some are open, beside what losses cost. All of it takes as
/// long as the machine needs for what has piled up.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// How many violations of one rule are told.
const TOLD: usize = 12;

/// How a run is to be made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The released binary.
    pub program: PathBuf,
    /// What everything drawn at random comes from.
    pub seed: u64,
    /// Whether the folder of logs is kept even if nothing is wrong.
    pub keep: bool,
    /// How many tasks are submitted at most, if another number than the fault's own.
    pub most: Option<usize>,
}

impl Options {
    /// Of this binary and seed.
    pub fn new(program: PathBuf, seed: u64) -> Self {
        Self { program, seed, keep: false, most: None }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The fault.
    pub fault: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub violations: Vec<Violation>,
    /// What is worth telling.
    pub figures: Vec<(String, String)>,
    /// The stories of the tasks with which something is wrong.
    pub story: String,
    /// Where everything lies, if it was kept.
    pub folder: Option<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

impl Verdict {
    /// Whether nothing was wrong.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

/// How a fault is run again, with the program as it is now.
const AGAIN: &str = "cargo build --release --bins --workspace && cargo run --release -p distrack-testkit --";

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_good() { "good" } else { "BROKEN" };
        writeln!(f, "{} {}: {word}, in {:.1?}, seed {}", self.fault, self.title, self.took, self.seed)?;
        for (name, value) in &self.figures {
            writeln!(f, "    {name}: {value}")?;
        }
        if self.is_good() {
            return Ok(());
        }
        let mut of_rules: BTreeMap<&str, Vec<&Violation>> = BTreeMap::new();
        self.violations.iter().for_each(|one| of_rules.entry(one.rule).or_default().push(one));
        for (rule, violations) in of_rules {
            for violation in violations.iter().take(TOLD) {
                let task = violation.task.as_deref().map(|task| format!(" task {task}:")).unwrap_or_default();
                writeln!(f, "  {rule}{task} {}", violation.what)?;
            }
            if violations.len() > TOLD {
                writeln!(f, "  {rule} … {} more", violations.len() - TOLD)?;
            }
        }
        write!(f, "{}", self.story)?;
        let folder = self.folder.as_deref().map(|folder| folder.display().to_string()).unwrap_or_default();
        writeln!(f, "  everything lies in {folder}")?;
        let what = match self.fault {
            "soak" => "--soak TASKS",
            fault if fault.starts_with('F') => fault,
            _ => "--scenarios",
        };
        writeln!(f, "  again: {AGAIN} chaos {what} --seed {}", self.seed)
    }
}

/// Services that ended although nobody ended them.
fn dead(scene: &Scene, history: &History, fault: &'static str) -> Vec<Violation> {
    let gone = scene.world.members().filter(|member| !member.process().is_running());
    let gone = gone.map(|member| (member.process().name(), member.process().ended()));
    // A worker may be gone for good; and of two on one state directory one must be.
    let meant = |name: &str| history.cuts.iter().any(|cut| cut.worker == name && cut.until.is_none());
    gone.filter(|(name, _)| !meant(name) && fault != "F34")
        .map(|(name, ended)| Violation::general(fault, format!("{name} is dead: {ended:?}")))
        .collect()
}

/// Runs one fault and judges what happened.
///
/// # Errors
/// If the fleet cannot be started or looked at: nothing is known then.
///
/// # Panics
/// If a process is not ready in time.
pub async fn run(fault: &'static Fault, options: &Options) -> Result<Verdict> {
    Ok(observe(fault, options).await?.0)
}

/// Runs one fault as [`run`] does, and returns besides all that was judged.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub async fn observe(fault: &'static Fault, options: &Options) -> Result<(Verdict, History, Notes)> {
    let began = Instant::now();
    let folder = tempfile::Builder::new().prefix(&format!("distrack-chaos-{}-", fault.id)).tempdir()?;
    let mut plan = Plan::new(options.program.clone());
    let mut habits = Habits::default();
    if let When::NotHere(reason) = fault.when {
        anyhow::bail!("{} is not run here: {reason}", fault.id);
    }
    (fault.plan)(&mut plan, &mut habits);
    habits.most = options.most.unwrap_or(habits.most);
    let world = World::start(plan, folder.path().to_owned(), options.seed).await?;
    if world.plan.audited {
        dump::audit(&world.database.url()).await?;
    }
    let before = gather::descriptors(&world);
    let watch = Watch::start(&world.effects(), world.database.url());
    let load = Load::start(world.bases(), world.effects(), habits, options.seed);
    let scene = Scene::new(fault.id, world, load, watch, options.seed);

    let acted = (fault.act)(&scene).await;
    scene.world.wires.heal();
    scene.mark("healed");
    scene.load.finish().await;
    drain(&scene).await?;
    let history = gather::history(&scene, &before).await?;
    let notes = scene.notes().clone();

    let mut violations = notes.violations.clone();
    if let Err(error) = acted {
        violations.push(Violation::general(fault.id, format!("the fault could not be made: {error:#}")));
    }
    violations.extend(dead(&scene, &history, fault.id));
    violations.extend(checker::check(&history));
    violations.extend((fault.judge)(&history, &notes));
    let mut figures = vec![("tasks".to_owned(), gather::summary(&history))];
    figures.extend(notes.figures.iter().cloned());
    let story = timeline::of_violations(&violations, &history, &scene.world).await;
    let kept = !violations.is_empty() || options.keep;
    drop(scene);
    let folder = kept.then(|| folder.keep());
    let (fault, title, seed) = (fault.id, fault.title, options.seed);
    let verdict = Verdict { fault, title, seed, violations, figures, story, folder, took: began.elapsed() };
    Ok((verdict, history, notes))
}

/// Waits until every task is terminal, or none has ended for so long that none will, which the checker finds. Then what is left of
/// processes has its grace.
async fn drain(scene: &Scene) -> Result<()> {
    let limit = DRAIN_LIMIT + scene.lost_after() * 4;
    let (mut fewest, mut deadline) = (i64::MAX, Instant::now() + limit);
    let url = scene.world.database.url();
    let mut connection = PgConnection::connect(&url).await.context("the database is not back")?;
    let began = Instant::now();
    loop {
        let open = dump::unfinished(&mut connection).await?;
        if open < fewest {
            (fewest, deadline) = (open, Instant::now() + limit);
        }
        if open == 0 || Instant::now() >= deadline {
            scene.figure("drained", format!("{:.2?} after the healing", began.elapsed()));
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let grace = scene.world.plan.kill_grace + scene.rules().slack;
    scene.until(grace, || async { scene.watch.counts().1 == 0 }).await;
    Ok(connection.close().await?)
}

/// Ends what commands left behind, whoever their worker was: nothing of a run outlives it.
pub(super) fn sweep(leftovers: &[effects::Leftover]) {
    for leftover in leftovers {
        if let Some(pid) = Pid::from_raw(leftover.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
