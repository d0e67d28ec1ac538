//! The fleet that a fault happens to: real processes over a real database, with a wire between any two of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use sqlx::postgres::PgConnectOptions;

use super::clock;
use super::wire::{Weather, Wire};
use crate::database::TestDatabase;
use crate::fleet::Member;
use crate::port::free_port;
use crate::postgres::Postgres;
use crate::process::{Launch, Process};
use crate::proxy::with_address;

const MIGRATE_LIMIT: Duration = Duration::from_secs(120);

/// What a fleet consists of and how fast it notices things.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The released binary.
    pub program: PathBuf,
    /// How many schedulers.
    pub schedulers: usize,
    /// How many coordinators.
    pub coordinators: usize,
    /// How many workers.
    pub workers: usize,
    /// The slots of each worker.
    pub slots: usize,
    /// The heartbeat interval.
    pub heartbeat: Duration,
    /// After how long a silent worker is lost.
    pub lost_after: Duration,
    /// How long a stopped command has between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// Whether the fault stops the server, which nobody else may need then.
    pub own_server: bool,
    /// Whether every step of every task is written down by the database.
    pub audited: bool,
    /// Whether the wall clock of each coordinator and worker can be set.
    pub clocks: bool,
    /// Further flags of each scheduler.
    pub scheduler_flags: Vec<String>,
    /// Further flags of each coordinator.
    pub coordinator_flags: Vec<String>,
    /// Further flags of each worker.
    pub worker_flags: Vec<String>,
}

impl Plan {
    /// One scheduler, two coordinators, two workers; a silent worker is lost after 3 s.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            schedulers: 1,
            coordinators: 2,
            workers: 2,
            slots: 8,
            heartbeat: Duration::from_millis(500),
            lost_after: Duration::from_secs(3),
            kill_grace: Duration::from_secs(1),
            own_server: false,
            audited: true,
            clocks: false,
            scheduler_flags: Vec::new(),
            coordinator_flags: Vec::new(),
            worker_flags: Vec::new(),
        }
    }
}

/// The wires, by who connects to whom.
#[derive(Debug, Default)]
pub struct Wires {
    /// From clients to each scheduler.
    pub clients: Vec<Wire>,
    /// From each scheduler to the database.
    pub schedulers: Vec<Wire>,
    /// From each coordinator to the database.
    pub coordinators: Vec<Wire>,
    /// From worker `w` to coordinator `c`: `up[w][c]`.
    pub up: Vec<Vec<Wire>>,
    /// From all coordinators to each worker.
    pub down: Vec<Wire>,
}

impl Wires {
    /// Gives worker `worker` this weather towards every coordinator, and them towards it.
    pub fn around_worker(&self, worker: usize, weather: &Weather) {
        self.up[worker].iter().for_each(|wire| wire.set(weather.clone()));
        self.down[worker].set(weather.clone());
    }

    /// Every wire passes everything again.
    pub fn heal(&self) {
        let all = [&self.clients, &self.schedulers, &self.coordinators, &self.down];
        all.into_iter().flatten().chain(self.up.iter().flatten()).for_each(Wire::heal);
    }
}

/// A running fleet; killed on drop.
#[derive(Debug)]
pub struct World {
    /// What it was asked to be.
    pub plan: Plan,
    /// The folder of logs, outputs and states.
    pub root: PathBuf,
    /// The schedulers.
    pub schedulers: Vec<Member>,
    /// The coordinators.
    pub coordinators: Vec<Member>,
    /// The workers.
    pub workers: Vec<Member>,
    /// What is between them.
    pub wires: Wires,
    /// The database, reached without a wire.
    pub database: TestDatabase,
    /// The server, if it is the fleet's own. Last: the database is dropped on it.
    pub server: Option<Postgres>,
}

impl World {
    /// Starts everything in `root` and waits until all of it is ready.
    ///
    /// # Errors
    /// If something cannot be started.
    ///
    /// # Panics
    /// If a process is not ready in time, with the end of its log.
    pub async fn start(plan: Plan, root: PathBuf, seed: u64) -> Result<Self> {
        let server = if plan.own_server { Some(start_server().await?) } else { None };
        let database = match &server {
            Some(server) => TestDatabase::on(server.admin_url()).await?,
            None => TestDatabase::try_create().await?,
        };
        let mut world = Self {
            plan,
            root,
            schedulers: vec![],
            coordinators: vec![],
            workers: vec![],
            wires: Wires::default(),
            database,
            server,
        };
        world.migrate().await?;
        for n in 0..world.plan.schedulers {
            world.start_scheduler(n, seed).await?;
        }
        for n in 0..world.plan.coordinators {
            world.start_coordinator(n, seed).await?;
        }
        join_all(world.coordinators.iter().map(Member::wait_ready)).await;
        for n in 0..world.plan.workers {
            world.start_worker(n, seed).await?;
        }
        join_all(world.members().map(Member::wait_ready)).await;
        Ok(world)
    }

    /// All members: schedulers, coordinators, workers.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.schedulers.iter().chain(&self.coordinators).chain(&self.workers)
    }

    /// The log in which commands say what they do.
    pub fn effects(&self) -> PathBuf {
        self.root.join("effects.log")
    }

    /// The base of each scheduler's API, behind its wire.
    pub fn bases(&self) -> Vec<String> {
        self.wires.clients.iter().map(|wire| format!("http://{}", wire.address())).collect()
    }

    async fn migrate(&self) -> Result<()> {
        let url = format!("--database_url={}", self.database.url());
        let process = Process::start(self.launch("migrate", 0, vec![url])?)?;
        let status = process.wait(MIGRATE_LIMIT).await;
        ensure!(status.success(), "{status}; {}", process.log_tail());
        Ok(())
    }

    async fn start_scheduler(&mut self, n: usize, seed: u64) -> Result<()> {
        let (port, front) = (free_port(), free_port());
        let wire = database_wire(&self.database.url(), seed ^ 0x5c0 ^ n as u64).await?;
        let mut flags = vec![format!("--scheduler_port=:{port}"), format!("--database_url={}", wire.1)];
        flags.extend(self.plan.scheduler_flags.iter().cloned());
        self.schedulers.push(Member::start(self.launch("scheduler", n, flags)?, port, port)?);
        self.wires.schedulers.push(wire.0);
        let target = format!("127.0.0.1:{port}");
        self.wires.clients.push(Wire::start(front, target, seed ^ 0xc11 ^ n as u64).await?);
        Ok(())
    }

    async fn start_coordinator(&mut self, n: usize, seed: u64) -> Result<()> {
        let (port, admin) = (free_port(), free_port());
        let wire = database_wire(&self.database.url(), seed ^ 0xc00 ^ n as u64).await?;
        let ms = |span: Duration| format!("{}ms", span.as_millis());
        let mut flags = vec![
            format!("--coordinator_port=:{port}"),
            format!("--metrics_port=:{admin}"),
            format!("--database_url={}", wire.1),
            format!("--heartbeat_interval={}", ms(self.plan.heartbeat)),
            format!("--lost_after={}", ms(self.plan.lost_after)),
        ];
        flags.extend(self.plan.coordinator_flags.iter().cloned());
        self.coordinators.push(Member::start(self.launch("coordinator", n, flags)?, port, admin)?);
        self.wires.coordinators.push(wire.0);
        Ok(())
    }

    /// The worker listens on another address of this machine than the one that it advertises, where its wire is.
    async fn start_worker(&mut self, n: usize, seed: u64) -> Result<()> {
        let (port, admin) = (free_port(), free_port());
        let mut up = Vec::new();
        for (c, coordinator) in self.coordinators.iter().enumerate() {
            let salt = 0x0b0 ^ (n * 16 + c) as u64;
            up.push(Wire::start(free_port(), coordinator.address(), seed ^ salt).await?);
        }
        let mut addresses: Vec<String> = up.iter().map(Wire::address).collect();
        let by = n % addresses.len().max(1);
        addresses.rotate_left(by);
        let mut flags = vec![
            format!("--worker_port=127.0.0.2:{port}"),
            "--worker_address=127.0.0.1".to_owned(),
            format!("--worker_name=worker-{n}"),
            format!("--metrics_port=:{admin}"),
            format!("--coordinator={}", addresses.join(",")),
            format!("--slots={}", self.plan.slots),
            format!("--kill_grace={}ms", self.plan.kill_grace.as_millis()),
            "--output_dir=output".to_owned(),
            "--state_dir=state".to_owned(),
        ];
        flags.extend(self.plan.worker_flags.iter().cloned());
        let down = Wire::start(port, format!("127.0.0.2:{port}"), seed ^ 0xd00 ^ n as u64).await?;
        self.workers.push(Member::start(self.launch("worker", n, flags)?, port, admin)?);
        self.wires.up.push(up);
        self.wires.down.push(down);
        Ok(())
    }

    fn launch(&self, role: &str, n: usize, flags: Vec<String>) -> Result<Launch> {
        let name = format!("{role}-{n}");
        let folder = self.root.join(&name);
        std::fs::create_dir_all(&folder)?;
        let clocked = self.plan.clocks && role != "migrate";
        let variables = if clocked { clock::variables(&self.root, &name)? } else { Vec::new() };
        Ok(Launch {
            program: self.plan.program.clone(),
            arguments: std::iter::once(role.to_owned()).chain(flags).map(Into::into).collect(),
            variables,
            log_file: self.root.join(format!("{name}.log")),
            folder,
            name,
        })
    }
}

async fn start_server() -> Result<Postgres> {
    tokio::task::spawn_blocking(Postgres::start).await?
}

/// A wire to the database that `url` names, and the URL that goes through it.
async fn database_wire(url: &str, seed: u64) -> Result<(Wire, String)> {
    let options: PgConnectOptions = url.parse()?;
    ensure!(options.get_socket().is_none(), "a wire leads to a TCP port only, not to {url}");
    let target = format!("{}:{}", options.get_host(), options.get_port());
    let wire = Wire::start(free_port(), target, seed).await?;
    let url = with_address(url, &wire.address()).context("a database's URL")?;
    Ok((wire, url))
}

/// Where cargo has put the binary that is beside this program, or beside the folder that it is in.
pub fn built_program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let near = own.ancestors().skip(1).take(2).map(|folder: &Path| folder.join("distrack"));
    near.into_iter().find(|path| path.is_file())
}
