//! One run: the hosts, what goes wrong, and what must be true at the end.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::{NewTask, OnLost, TaskDraft, TaskId, TraceContext};
use distrack_store::{Store, Submission, SubmitMode};
use distrack_telemetry::{Metrics, Readiness, Traces};
use distrack_transport::Transport;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use turmoil::Sim;

use crate::check;
use crate::commands::{Effects, Shell, now};
use crate::faults::{self, COORDINATORS, Fault, WORKERS, What};
use crate::memory::{Clock, MemoryStore};
use crate::network::{Listener, Simulated};
use crate::wrong::Wire;

/// How long things go wrong.
pub(crate) const TROUBLE: Duration = Duration::from_secs(60);
/// How long everything may take to end after that: leases, graces, backoffs and what was still to run.
const PEACE: Duration = Duration::from_secs(180);
/// Steps of time. A call between two hosts takes some of them.
const TICK: Duration = Duration::from_millis(2);
const TASKS: usize = 60;
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(6);
pub(crate) const SLOTS: u32 = 4;

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// The seed that decided everything.
    pub seed: u64,
    /// What went wrong, in words.
    pub faults: Vec<String>,
    /// Attempts that were run.
    pub attempts: usize,
    /// What must not be, with the history of the task; empty when all held.
    pub violations: Vec<String>,
    /// What happened, as a number: the same for the same seed.
    pub fingerprint: u64,
}

/// What all hosts share, and what outlives them.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) effects: Effects,
    /// Accepted tasks, and when by the simulation's time.
    pub(crate) accepted: Arc<Mutex<Vec<(TaskId, Duration)>>>,
    cuts: Vec<Arc<AtomicBool>>,
    clock_us: Arc<AtomicI64>,
    folder: TempDir,
}

/// Runs the simulation of a seed to its end.
///
/// # Errors
/// When the simulation itself fails; what it finds is in the report.
pub fn simulate(seed: u64) -> Result<Report> {
    let mut rng = StdRng::seed_from_u64(seed);
    let faults = faults::draw(&mut rng, TROUBLE);
    let world = World::new(&mut rng)?;
    let mut sim = turmoil::Builder::new()
        .rng_seed(rng.random())
        .enable_random_order()
        .simulation_duration(TROUBLE + PEACE + Duration::from_secs(60))
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(rng.random_range(2..120)))
        .tcp_capacity(4096)
        .build();
    for n in 0..COORDINATORS {
        world.coordinator(&mut sim, n, &mut rng);
    }
    for n in 0..WORKERS {
        world.worker(&mut sim, n);
    }
    world.client(&mut sim, StdRng::from_rng(&mut rng));
    run(&mut sim, &world, &faults)?;
    drop(sim);
    let violations = check::all(&world);
    let effects = world.effects.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Report {
        seed,
        faults: faults.iter().map(|fault| format!("{fault:?}")).collect(),
        attempts: effects.len(),
        violations,
        fingerprint: check::fingerprint(&world.store, &effects),
    })
}

/// Steps until every task has ended, doing what goes wrong on the way.
fn run(sim: &mut Sim<'_>, world: &World, faults: &[Fault]) -> Result<()> {
    let mut begun = 0;
    let mut under_way: Vec<Fault> = Vec::new();
    loop {
        sim.step().map_err(|error| anyhow!("the simulation fails: {error}"))?;
        let now = sim.elapsed();
        while let Some(fault) = faults.get(begun).filter(|fault| fault.at <= now) {
            begin(sim, world, &fault.what);
            under_way.push(fault.clone());
            begun += 1;
        }
        let over: Vec<Fault> = under_way.extract_if(.., |fault| fault.over <= now).collect();
        over.iter().for_each(|fault| end(sim, world, &fault.what, &under_way));
        let accepted = world.accepted.lock().unwrap_or_else(PoisonError::into_inner).len();
        let tasks = || world.store.tasks();
        let looks = now.subsec_millis() < 2 && begun == faults.len() && under_way.is_empty();
        if looks && accepted == TASKS && tasks().iter().all(|task| task.state.is_terminal()) {
            return Ok(());
        }
        if now > TROUBLE + PEACE {
            return Ok(());
        }
    }
}

fn begin(sim: &mut Sim<'_>, world: &World, what: &What) {
    match what {
        What::Crash(host) => sim.crash(host.as_str()),
        What::Partition(a, b) => sim.partition(a.as_str(), b.as_str()),
        What::Deaf(a, b) => sim.partition_oneway(a.as_str(), b.as_str()),
        What::Hold(a, b) => sim.hold(a.as_str(), b.as_str()),
        What::Database(n) => world.cuts[*n].store(true, Ordering::Relaxed),
        What::Outage => world.cuts.iter().for_each(|cut| cut.store(true, Ordering::Relaxed)),
        What::ClockStep(by) => {
            world.clock_us.fetch_add(i64::try_from(by.as_micros()).unwrap_or_default(), Ordering::Relaxed);
        }
    }
}

/// Mends what no other fault still breaks.
fn end(sim: &mut Sim<'_>, world: &World, what: &What, others: &[Fault]) {
    let another = |same: &dyn Fn(&What) -> bool| others.iter().any(|fault| same(&fault.what));
    match what {
        What::Crash(host) => {
            if !another(&|other| matches!(other, What::Crash(also) if also == host)) {
                sim.bounce(host.as_str());
            }
        }
        What::Partition(a, b) | What::Deaf(a, b) => sim.repair(a.as_str(), b.as_str()),
        What::Hold(a, b) => sim.release(a.as_str(), b.as_str()),
        What::Database(_) | What::Outage => {
            for (n, cut) in world.cuts.iter().enumerate() {
                let still = another(&|other| {
                    matches!(other, What::Outage) || matches!(other, What::Database(also) if *also == n)
                });
                cut.store(still, Ordering::Relaxed);
            }
        }
        What::ClockStep(_) => {}
    }
}

impl World {
    fn new(rng: &mut StdRng) -> Result<Self> {
        let clock_us = Arc::new(AtomicI64::new(0));
        // The database's clock goes at another pace than the others'.
        let pace = rng.random_range(0.9..1.1);
        let step = Arc::clone(&clock_us);
        let epoch =
            TaskId::new().as_uuid().get_timestamp().map(|stamp| stamp.to_unix().0).unwrap_or_default();
        let Some(epoch) =
            i64::try_from(epoch).ok().and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0))
        else {
            bail!("an id tells no time");
        };
        let clock = Clock::new(move || {
            let elapsed = i64::try_from(now().mul_f64(pace).as_micros()).unwrap_or_default();
            epoch + TimeDelta::microseconds(elapsed + step.load(Ordering::Relaxed))
        });
        Ok(Self {
            store: MemoryStore::new(clock),
            effects: Effects::default(),
            accepted: Arc::default(),
            cuts: (0..COORDINATORS).map(|_| Arc::default()).collect(),
            clock_us,
            folder: tempfile::Builder::new().prefix("distrack-simulation-").tempdir()?,
        })
    }

    fn coordinator(&self, sim: &mut Sim<'_>, n: usize, rng: &mut StdRng) {
        let (store, cut, seed) = (self.store.clone(), Arc::clone(&self.cuts[n]), rng.random::<u64>());
        let starts = AtomicU64::new(0);
        sim.host(faults::coordinator(n), move || {
            let starts = starts.fetch_add(1, Ordering::Relaxed);
            let rng = Mutex::new(StdRng::seed_from_u64(seed.wrapping_add(starts)));
            let wire = Arc::new(Wire { store: store.clone(), cut: Arc::clone(&cut), rng });
            async move {
                let transport = Transport::new(Listener::bind(8080).await?, Simulated);
                let settings = distrack_coordinator::Settings {
                    heartbeat_interval: HEARTBEAT,
                    lost_after: LOST_AFTER,
                    ..distrack_coordinator::Settings::default()
                };
                let (metrics, readiness) = (Metrics::new("coordinator"), Readiness::waiting("starting"));
                let never = CancellationToken::new();
                distrack_coordinator::serve(
                    transport,
                    wire,
                    settings,
                    metrics,
                    Traces::off(),
                    readiness,
                    never,
                )
                .await?;
                Ok(())
            }
        });
    }

    fn worker(&self, sim: &mut Sim<'_>, n: usize) {
        let commands =
            Arc::new(Shell { worker: n, effects: Arc::clone(&self.effects), store: self.store.clone() });
        let settings = worker_settings(self.folder.path(), n);
        sim.host(faults::worker(n), move || {
            let settings = distrack_worker::Settings { commands: Some(commands.clone()), ..settings.clone() };
            async move {
                let transport = Transport::new(Listener::bind(8000).await?, Simulated);
                let (metrics, readiness) = (Metrics::new("worker"), Readiness::waiting("starting"));
                let never = CancellationToken::new();
                distrack_worker::serve(transport, settings, metrics, Traces::off(), readiness, never).await?;
                Ok(())
            }
        });
    }

    /// Stores tasks and cancels some, a few at a time, while things go wrong.
    fn client(&self, sim: &mut Sim<'_>, mut rng: StdRng) {
        let (store, accepted) = (self.store.clone(), Arc::clone(&self.accepted));
        sim.client("client", async move {
            let mut cancelled = HashSet::new();
            for _ in 0..TASKS {
                tokio::time::sleep(Duration::from_millis(rng.random_range(0..900))).await;
                let task = task(&mut rng);
                let id = task.id;
                store.submit(vec![Submission { task, key: None }], SubmitMode::AllOrNone).await?;
                let known = {
                    let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
                    accepted.push((id, now()));
                    accepted.clone()
                };
                if rng.random_bool(0.15) {
                    let (id, _) = known[rng.random_range(0..known.len())];
                    if cancelled.insert(id) {
                        store.cancel(id).await?;
                    }
                }
            }
            // The simulation goes on for as long as a client does.
            tokio::time::sleep(TROUBLE + PEACE * 2).await;
            Ok(())
        });
    }
}

fn worker_settings(folder: &Path, n: usize) -> distrack_worker::Settings {
    let at = |name: &str| -> PathBuf { folder.join(faults::worker(n)).join(name) };
    distrack_worker::Settings {
        name: Some(faults::worker(n)),
        coordinators: (0..COORDINATORS).map(|n| format!("{}:8080", faults::coordinator(n))).collect(),
        advertise_host: Some(faults::worker(n)),
        slots: SLOTS,
        output_dir: at("output"),
        state_dir: at("state"),
        ..distrack_worker::Settings::default()
    }
}

fn task(rng: &mut StdRng) -> NewTask {
    let code = u8::from(rng.random_bool(0.2));
    let (lasts, code) = match rng.random_range(0..20) {
        // Longer than all trouble: one that is superseded and goes on is seen.
        0 => (rng.random_range(70_000..90_000), 0),
        1..=5 => (rng.random_range(400..9_000), code),
        _ => (rng.random_range(0..400), code),
    };
    let draft = TaskDraft {
        command: Some(format!("{lasts} {code}")),
        delay_seconds: Some(rng.random_range(0.0..3.0)),
        max_attempts: Some(rng.random_range(1..4)),
        backoff_initial: Some(Duration::from_millis(200)),
        on_lost: rng.random_bool(0.25).then_some(OnLost::Fail),
        ..TaskDraft::default()
    };
    NewTask::parse(draft, TaskId::new(), TraceContext::root()).expect("within the limits")
}
