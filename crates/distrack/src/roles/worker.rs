//! `distrack worker`: the gRPC service that runs commands, alone.

use std::path::PathBuf;

use distrack_telemetry::{Metrics, Readiness};
use distrack_worker::Settings;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::settings::roles::Worker;
use crate::settings::shared::Running;
use crate::wiring::{self, Admin};

/// Where a worker listens.
pub(crate) struct Ports {
    /// For coordinators.
    pub(crate) grpc: TcpListener,
    /// For scrapers.
    pub(crate) metrics: TcpListener,
}

/// Who a worker is and whom it works for.
pub(crate) struct Place {
    /// What people call it; the host's name when `None`.
    pub(crate) name: Option<String>,
    /// The coordinators, as `host:port`.
    pub(crate) coordinators: Vec<String>,
    /// The host to be dialled at; found out when `None`.
    pub(crate) advertise_host: Option<String>,
    /// Where its identity and undelivered results are kept.
    pub(crate) state_dir: PathBuf,
}

/// Runs until `shutdown`.
pub(crate) async fn run(settings: Worker, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ports = Ports {
        grpc: wiring::listen(&settings.listen, "worker_port").await?,
        metrics: wiring::listen(&settings.metrics, "metrics_port").await?,
    };
    let state_dir = settings.state.of(ports.grpc.local_addr()?.port());
    tracing::info!(
        coordinators = settings.coordinators.join(","),
        state_dir = %state_dir.display(),
        output_dir = %settings.running.output_dir.display(),
        slots = settings.running.slots,
        "worker starts"
    );
    let place = Place {
        name: settings.name,
        coordinators: settings.coordinators,
        advertise_host: settings.advertise_host,
        state_dir,
    };
    serve(ports, place, settings.running, Readiness::waiting("starting"), shutdown).await
}

/// Serves on `ports`; the metrics are there until the very end.
pub(crate) async fn serve(
    ports: Ports,
    place: Place,
    running: Running,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = Settings {
        name: place.name,
        coordinators: place.coordinators,
        advertise_host: place.advertise_host,
        slots: running.slots,
        queues: running.queues,
        labels: running.labels,
        output_dir: running.output_dir,
        state_dir: place.state_dir,
        drain_timeout: running.drain_timeout,
        kill_grace: running.kill_grace,
        child_env: running.child_env,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Settings::default()
    };
    let metrics = Metrics::new("worker");
    let admin = Admin::start(ports.metrics, metrics.clone(), readiness.clone());
    let served = distrack_worker::serve(ports.grpc, settings, metrics, readiness, shutdown).await;
    admin.stop().await;
    Ok(served?)
}
