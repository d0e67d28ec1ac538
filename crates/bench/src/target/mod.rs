//! The distrack that is measured: one that runs, or one that is started for the run and thrown away.

pub(crate) mod database;
mod own;
pub(crate) mod process;
mod service;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::api::Api;
use crate::settings::{DatabaseUrl, Server, Settings, Target};
use database::ThrowAway;
use service::Service;

const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a running system may have no worker.
const WORKER_LIMIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// How long processes have to stop by themselves.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What was started for a run, and must be stopped after it.
#[derive(Debug)]
pub(crate) struct Started {
    folder: TempDir,
    systems: usize,
    database: Option<ThrowAway>,
    services: Vec<Service>,
    metrics: Vec<String>,
}

impl Started {
    /// Nothing yet but a folder.
    pub(crate) fn nothing() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("distrack-bench-").tempdir();
        let folder = folder.context("cannot make a folder for the run")?;
        Ok(Self { folder, systems: 0, database: None, services: Vec::new(), metrics: Vec::new() })
    }

    /// The folder of the system that is started now.
    fn root(&self) -> PathBuf {
        self.folder.path().join(self.systems.to_string())
    }

    /// Stops all of it and drops its database. May be given up half-way and done again.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.services.iter().for_each(Service::terminate);
        let deadline = Instant::now() + STOP_LIMIT;
        for service in &mut self.services {
            service.stopped(deadline).await;
        }
        self.services.clear();
        self.metrics.clear();
        if let Some(database) = &self.database {
            database.discard().await?;
        }
        self.database = None;
        Ok(())
    }
}

/// Which database a system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
    Unknown,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
            Self::Unknown => "unknown",
        }
    }
}

/// A system that is ready.
pub(crate) struct System {
    /// Its API.
    pub(crate) api: Api,
    /// Which database it has.
    pub(crate) kind: Kind,
    /// The URL of its database, if that is known.
    pub(crate) database: Option<DatabaseUrl>,
    /// Its processes with their roles, if they are ours.
    pub(crate) processes: Vec<(&'static str, u32)>,
    /// Where coordinators and workers show metrics, as far as that is known.
    pub(crate) metrics: Vec<String>,
    /// A folder of the run, for effects and for the calibrator's file.
    pub(crate) folder: PathBuf,
    /// Whether it is started for this run.
    pub(crate) is_own: bool,
    /// Workers, and their slots.
    pub(crate) fleet: (usize, u64),
}

/// Makes a system ready; one of our own is a fresh one.
pub(crate) async fn ready(settings: &Settings, started: &mut Started) -> Result<System> {
    started.stop().await?;
    started.systems += 1;
    let folder = started.root();
    std::fs::create_dir(&folder).context("cannot make a folder for the run")?;
    let (server, kind, database) = match &settings.target {
        Target::Running(server) => {
            let kind = if settings.database_url.is_some() { Kind::Postgres } else { Kind::Unknown };
            (server.clone(), kind, settings.database_url.clone())
        }
        Target::Own(own) => {
            let address = own::start(own, settings.database_url.as_ref(), started).await?;
            let server = Server { uri: format!("http://{address}/").parse()?, token: None, tls: None };
            let url = started.database.as_ref().map(ThrowAway::url);
            let kind = if url.is_some() { Kind::Postgres } else { Kind::Sqlite };
            (server, kind, url)
        }
    };
    let metrics = match &settings.target {
        Target::Running(server) => guessed(server),
        Target::Own(_) => started.metrics.clone(),
    };
    let api = Api::new(server);
    let fleet = match &settings.target {
        Target::Running(_) => any_alive(&api).await?,
        Target::Own(own) => all_alive(&api, own.workers, &mut started.services).await?,
    };
    let processes = started.services.iter().map(|service| (service.role(), service.pid())).collect();
    let is_own = matches!(settings.target, Target::Own(_));
    Ok(System { api, kind, database, processes, metrics, folder, is_own, fleet })
}

/// Where the other services of a scheduler on this machine show metrics unless told otherwise.
fn guessed(server: &Server) -> Vec<String> {
    let host = server.uri.host().unwrap_or_default();
    if is_local(host) { [9080, 9000].map(|port| format!("{host}:{port}")).into() } else { Vec::new() }
}

/// Whether a host is this machine.
pub(crate) fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Waits a little for a worker: a system that was only just started may have none yet.
async fn any_alive(api: &Api) -> Result<(usize, u64)> {
    let deadline = Instant::now() + WORKER_LIMIT;
    loop {
        match api.fleet().await? {
            (0, _) if Instant::now() > deadline => bail!("no worker is alive: nothing would run"),
            (0, _) => tokio::time::sleep(LOOK).await,
            fleet => return Ok(fleet),
        }
    }
}

async fn all_alive(api: &Api, workers: usize, services: &mut [Service]) -> Result<(usize, u64)> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        services.iter_mut().try_for_each(Service::alive)?;
        match api.fleet().await {
            Ok(fleet) if fleet.0 == workers => return Ok(fleet),
            other if Instant::now() > deadline => {
                bail!("the {workers} workers are not there after {READY_LIMIT:?}: {other:?}")
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
