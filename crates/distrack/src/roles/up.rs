//! `distrack up`: all services in one process, with real gRPC between them on loopback.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use distrack_telemetry::Readiness;
use distrack_telemetry::traces::Process;
use distrack_worker::Shutdown;
use tokio_util::sync::CancellationToken;

use super::coordinator::Telling;
use super::migrate::{self, Migrated, Refused};
use super::parts::{Part, Parts};
use super::{coordinator, scheduler, worker};
use crate::banner::Banner;
use crate::settings::roles::Up;
use crate::settings::{Database, Listen};
use crate::telemetry::Telemetry;
use crate::wiring::Opened;
use crate::{client, wiring};

/// How long to wait for a Postgres, and for the services to be ready before the banner is shown anyway.
const WAIT: Duration = Duration::from_secs(30);

/// Runs until `shutdown`, then drains the workers first, the coordinator next, the scheduler last.
pub(crate) async fn run(
    settings: Up,
    process: Process,
    scheduler: Telemetry,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let _lock = lock(&settings.data_dir)?;
    let ports = Ports::bind(&settings).await?;
    let banner = ports.banner(&settings)?;
    let store = tokio::select! {
        store = open(&settings) => store?,
        () = shutdown.drain.cancelled() => return Ok(()),
    };
    let parts = start(settings, store, ports, (&process, scheduler), &shutdown.now)?;
    let stop = tokio::select! {
        () = parts.ready(WAIT) => false,
        () = shutdown.drain.cancelled() => true,
        () = parts.one_ended() => true,
    };
    if !stop {
        // A banner that nobody reads is no reason to stop.
        let _ = client::line(&banner.text());
        tokio::select! {
            () = shutdown.drain.cancelled() => {}
            () = parts.one_ended() => tracing::error!("a service ended by itself; stopping the others"),
        }
    }
    parts.stop().await
}

/// Takes the data folder, which is made when it is missing, for as long as the file is open.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let failed = || format!("cannot use {} (--data_dir)", data_dir.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).with_context(failed)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(data_dir.join("lock")).with_context(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "{} (--data_dir) is in use by another distrack up (process {})",
                data_dir.display(),
                Some(holder.trim()).filter(|holder| !holder.is_empty()).unwrap_or("unknown")
            );
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
    }
    // Only so that a refusal can name this process.
    let named =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    named.with_context(failed)?;
    Ok(file)
}

/// The store, with its schema brought up.
async fn open(settings: &Up) -> anyhow::Result<Opened> {
    let file = || Database::of_up(&settings.data_dir);
    let database = settings.database.clone().unwrap_or_else(file);
    let opened = wiring::open(&database)?;
    match migrate::migrate(opened.store.as_ref(), WAIT).await {
        Ok(Migrated::Nothing) => {}
        Ok(Migrated::From(from, to)) => tracing::info!(from, to, "schema migrated"),
        Err(Refused::Waited(error)) => {
            bail!("cannot use {database}: {}", migrate::reason(&database, &error).await);
        }
        Err(Refused::Store(error)) => bail!("cannot use {database}: {error}"),
    }
    Ok(opened)
}

/// Everything is bound before anything starts, so that a port in use is said first.
struct Ports {
    scheduler: tokio::net::TcpListener,
    coordinator: coordinator::Ports,
    workers: Vec<worker::Ports>,
}

impl Ports {
    async fn bind(settings: &Up) -> anyhow::Result<Self> {
        let at = |port| Listen { host: settings.bind.clone(), port };
        let scheduler = wiring::listen(&settings.scheduler, "scheduler_port").await?;
        let metrics = settings.metrics.clone().unwrap_or_else(|| at(9080));
        let coordinator = coordinator::Ports {
            grpc: wiring::listen(&settings.coordinator, "coordinator_port").await?,
            metrics: wiring::listen(&metrics, "metrics_port").await?,
        };
        let mut workers = Vec::new();
        for index in 0..settings.workers {
            // Only the first worker has ports that one can know beforehand.
            let grpc = if index == 0 { settings.worker.clone() } else { at(0) };
            let metrics = if index == 0 && settings.metrics.is_none() { at(9000) } else { at(0) };
            workers.push(worker::Ports {
                grpc: wiring::listen(&grpc, "worker_port").await?,
                metrics: wiring::listen(&metrics, "metrics_port").await?,
            });
        }
        Ok(Self { scheduler, coordinator, workers })
    }

    fn banner(&self, settings: &Up) -> anyhow::Result<Banner> {
        let metrics = self.workers.iter().map(|worker| wiring::dialled(&worker.metrics));
        Ok(Banner {
            scheduler: wiring::dialled(&self.scheduler)?,
            tls: settings.api.tls.is_some(),
            coordinator: wiring::dialled(&self.coordinator.grpc)?,
            coordinator_metrics: wiring::dialled(&self.coordinator.metrics)?,
            worker_metrics: metrics.collect::<Result<_, _>>()?,
            slots: settings.running.slots,
            data: settings.data_dir.clone(),
            database: settings.database.as_ref().map(Database::to_string),
            output: settings.running.output_dir.clone(),
        })
    }
}

fn start(
    settings: Up,
    opened: Opened,
    ports: Ports,
    (process, telemetry): (&Process, Telemetry),
    now: &CancellationToken,
) -> anyhow::Result<Parts> {
    let coordinator = wiring::dialled(&ports.coordinator.grpc)?.to_string();
    let mut parts = Parts::default();
    for (port, number) in ports.workers.into_iter().zip(1..) {
        let place = worker::Place {
            name: Some(format!("worker-{number}")),
            coordinators: vec![coordinator.clone()],
            advertise_host: None,
            state_dir: settings.data_dir.join("workers").join(number.to_string()),
        };
        let running = settings.running.clone();
        let trust = settings.trust.clone();
        let now = now.clone();
        let telemetry = Telemetry::start("worker", process);
        let begin = |readiness: Readiness, drain| {
            worker::serve(port, place, running, trust, telemetry, readiness, Shutdown { drain, now })
        };
        parts.start(Part::Worker, begin);
    }
    let shared = Arc::clone(&opened.store);
    let timing = settings.timing;
    let database = settings.database.as_ref().map_or("sqlite", Database::system);
    let telling = Telling { database, trace_policy: settings.trace_policy };
    let trust = settings.trust;
    let coordinating = Telemetry::start("coordinator", process);
    parts.start(Part::Coordinator, |readiness, stop| {
        coordinator::serve(ports.coordinator, shared, timing, telling, trust, coordinating, readiness, stop)
    });
    parts.start(Part::Scheduler, |readiness, stop| {
        scheduler::serve(ports.scheduler, opened, settings.api, telemetry, readiness, stop)
    });
    Ok(parts)
}
