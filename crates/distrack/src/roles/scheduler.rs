//! `distrack scheduler`: the HTTP service alone.

use std::sync::Arc;

use distrack_scheduler::Settings;
use distrack_store::Store;
use distrack_telemetry::{Metrics, Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::settings::roles::Scheduler;
use crate::wiring;

/// Runs until `shutdown`.
pub(crate) async fn run(settings: Scheduler, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = wiring::listen(&settings.listen, "scheduler_port").await?;
    tracing::info!(database = %settings.database, "scheduler starts");
    let store = wiring::open_store(&settings.database)?;
    let readiness = Readiness::waiting("starting");
    let served = Settings {
        allowed_hosts: settings.allowed_hosts,
        jaeger_url: settings.jaeger_url,
        ..Settings::default()
    };
    serve(listener, store, served, readiness, shutdown).await
}

/// Serves on `listener`, which shows metrics and readiness too.
pub(crate) async fn serve(
    listener: TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    distrack_scheduler::serve(listener, store, settings, Metrics::new("scheduler"), readiness, shutdown)
        .await?;
    Ok(())
}
