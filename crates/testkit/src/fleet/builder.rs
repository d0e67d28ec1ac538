//! Describes a fleet and starts it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::join_all;

use super::{Fleet, Member};
use crate::port::free_port;
use crate::process::{Launch, Process};

const MIGRATE_LIMIT: Duration = Duration::from_secs(60);

/// What a fleet is to consist of; one of each role unless told otherwise.
#[derive(Clone, Debug)]
pub struct FleetBuilder {
    program: PathBuf,
    database_url: String,
    schedulers: usize,
    coordinators: usize,
    workers: usize,
    scheduler_flags: Vec<String>,
    coordinator_flags: Vec<String>,
    worker_flags: Vec<String>,
    variables: Vec<(String, String)>,
    secured: bool,
}

impl FleetBuilder {
    pub(super) fn new(program: PathBuf, database_url: String) -> Self {
        Self {
            program,
            database_url,
            schedulers: 1,
            coordinators: 1,
            workers: 1,
            scheduler_flags: Vec::new(),
            coordinator_flags: Vec::new(),
            worker_flags: Vec::new(),
            variables: Vec::new(),
            secured: false,
        }
    }

    /// Sets the number of schedulers.
    pub fn schedulers(mut self, count: usize) -> Self {
        self.schedulers = count;
        self
    }

    /// Sets the number of coordinators.
    pub fn coordinators(mut self, count: usize) -> Self {
        self.coordinators = count;
        self
    }

    /// Sets the number of workers.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Adds a flag to each scheduler.
    pub fn scheduler_flag(mut self, flag: impl Into<String>) -> Self {
        self.scheduler_flags.push(flag.into());
        self
    }

    /// Adds a flag to each coordinator.
    pub fn coordinator_flag(mut self, flag: impl Into<String>) -> Self {
        self.coordinator_flags.push(flag.into());
        self
    }

    /// Adds a flag to each worker.
    pub fn worker_flag(mut self, flag: impl Into<String>) -> Self {
        self.worker_flags.push(flag.into());
        self
    }

    /// Adds a variable to the environment of each process.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Lets coordinators and workers know each other by a token and by certificates of an authority of their own, which
    /// is in the folder `certs` beside theirs.
    pub fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// Shortens the time after which a silent worker is lost, and the heartbeat to a sixth of it.
    pub fn lost_after(self, limit: Duration) -> Self {
        let lost_after = format!("--lost_after={}ms", limit.as_millis());
        let heartbeat = format!("--heartbeat_interval={}ms", limit.as_millis() / 6);
        self.coordinator_flag(lost_after).coordinator_flag(heartbeat)
    }

    /// Migrates the database, starts the fleet and waits until every member is ready.
    ///
    /// # Errors
    /// If the database cannot be migrated or a process cannot be started.
    ///
    /// # Panics
    /// If a member is not ready in time, with the end of its log.
    pub async fn start(self) -> Result<Fleet> {
        let folder = tempfile::Builder::new().prefix("distrack-fleet-").tempdir()?;
        self.migrate(folder.path()).await?;
        let certs = folder.path().join("certs");
        if self.secured {
            self.issue(folder.path(), &certs).await?;
        }
        let database = format!("--database_url={}", self.database_url);
        let mut fleet =
            Fleet { schedulers: vec![], coordinators: vec![], workers: vec![], folder: Some(folder) };
        let root = fleet.folder.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default();

        for n in 0..self.schedulers {
            let port = free_port();
            let mut flags = vec![format!("--scheduler_port=:{port}"), database.clone()];
            flags.extend(self.scheduler_flags.iter().cloned());
            let launch = self.launch(&root, "scheduler", n, flags)?;
            fleet.schedulers.push(Member::start(launch, port, port)?);
        }
        for n in 0..self.coordinators {
            let (port, admin) = (free_port(), free_port());
            let mut flags = vec![format!("--coordinator_port=:{port}"), format!("--metrics_port=:{admin}")];
            flags.push(database.clone());
            flags.extend(self.trust(&certs, "coordinator"));
            flags.extend(self.coordinator_flags.iter().cloned());
            let launch = self.launch(&root, "coordinator", n, flags)?;
            fleet.coordinators.push(Member::start(launch, port, admin)?);
        }
        // A worker that comes before its coordinator is ready attaches to another one: a test must know to whom.
        join_all(fleet.coordinators.iter().map(Member::wait_ready)).await;
        let coordinators: Vec<String> = fleet.coordinators.iter().map(Member::address).collect();
        for n in 0..self.workers {
            let (port, admin) = (free_port(), free_port());
            let mut flags = vec![format!("--worker_port=:{port}"), format!("--metrics_port=:{admin}")];
            flags.push(format!("--coordinator={}", turned(&coordinators, n).join(",")));
            flags.extend(["--output_dir=output".to_owned(), "--state_dir=state".to_owned()]);
            flags.extend(self.trust(&certs, "worker"));
            flags.extend(self.worker_flags.iter().cloned());
            let launch = self.launch(&root, "worker", n, flags)?;
            fleet.workers.push(Member::start(launch, port, admin)?);
        }
        join_all(fleet.members().map(Member::wait_ready)).await;
        Ok(fleet)
    }

    /// Makes the token and the certificates, as a user does.
    async fn issue(&self, root: &Path, certs: &Path) -> Result<()> {
        let dir = format!("--dir={}", certs.display());
        for what in [&["init"][..], &["issue", "coordinator"], &["issue", "worker"]] {
            let flags = what.iter().map(|word| (*word).to_owned()).chain([dir.clone()]).collect();
            let process = Process::start(self.launch(root, "cert", 0, flags)?)?;
            let status = process.wait(MIGRATE_LIMIT).await;
            ensure!(status.success(), "{status}; {}", process.log_tail());
        }
        std::fs::write(certs.join("token"), format!("{:032x}", rand::random::<u128>()))?;
        Ok(())
    }

    fn trust(&self, certs: &Path, role: &str) -> Vec<String> {
        let flag = |name: &str, file: &str| format!("--{name}={}", certs.join(file).display());
        let own = |kind| format!("{role}.{kind}");
        let flags = [
            flag("cluster_token_file", "token"),
            flag("tls_cert", &own("pem")),
            flag("tls_key", &own("key")),
            flag("tls_ca", "ca.pem"),
        ];
        if self.secured { flags.into() } else { Vec::new() }
    }

    async fn migrate(&self, root: &Path) -> Result<()> {
        let flags = vec![format!("--database_url={}", self.database_url)];
        let process = Process::start(self.launch(root, "migrate", 0, flags)?)?;
        let status = process.wait(MIGRATE_LIMIT).await;
        ensure!(status.success(), "{status}; {}", process.log_tail());
        Ok(())
    }

    fn launch(&self, root: &Path, role: &str, n: usize, flags: Vec<String>) -> Result<Launch> {
        let name = format!("{role}-{n}");
        let folder = root.join(&name);
        std::fs::create_dir_all(&folder)?;
        Ok(Launch {
            program: self.program.clone(),
            arguments: std::iter::once(role.to_owned()).chain(flags).map(Into::into).collect(),
            variables: self.variables.clone(),
            log_file: root.join(format!("{name}.log")),
            folder,
            name,
        })
    }
}

/// Returns the list begun at item `by`, so that the workers spread over the coordinators.
fn turned(list: &[String], by: usize) -> Vec<String> {
    let mut list = list.to_vec();
    if !list.is_empty() {
        let by = by % list.len();
        list.rotate_left(by);
    }
    list
}
