//! `distrack coordinator`: the gRPC service that knows the workers, alone.

use std::sync::Arc;

use distrack_coordinator::Settings;
use distrack_store::{Retention, Store};
use distrack_telemetry::{Metrics, Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::settings::roles::Coordinator;
use crate::settings::shared::Timing;
use crate::wiring::{self, Admin};

/// Where a coordinator listens.
pub(crate) struct Ports {
    /// For workers.
    pub(crate) grpc: TcpListener,
    /// For scrapers.
    pub(crate) metrics: TcpListener,
}

/// Runs until `shutdown`.
pub(crate) async fn run(settings: Coordinator, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ports = Ports {
        grpc: wiring::listen(&settings.listen, "coordinator_port").await?,
        metrics: wiring::listen(&settings.metrics, "metrics_port").await?,
    };
    tracing::info!(database = %settings.database, "coordinator starts");
    let store = wiring::open_store(&settings.database)?;
    serve(ports, store, settings.timing, Readiness::waiting("starting"), shutdown).await
}

/// Serves on `ports`; the metrics are there until the very end.
pub(crate) async fn serve(
    ports: Ports,
    store: Arc<dyn Store>,
    timing: Timing,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = Settings {
        heartbeat_interval: timing.heartbeat_interval,
        lost_after: timing.lost_after,
        retention: Retention { tasks: timing.retention, ..Retention::default() },
        ..Settings::default()
    };
    let metrics = Metrics::new("coordinator");
    let admin = Admin::start(ports.metrics, metrics.clone(), readiness.clone());
    let served = distrack_coordinator::serve(ports.grpc, store, settings, metrics, readiness, shutdown).await;
    admin.stop().await;
    Ok(served?)
}
