//! `distrack scheduler`: the HTTP service alone.

use std::sync::Arc;

use distrack_store::Store;
use distrack_telemetry::Readiness;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::settings::roles::Scheduler;
use crate::settings::shared::Api;
use crate::telemetry::Telemetry;
use crate::wiring;

/// Runs until `shutdown`.
pub(crate) async fn run(
    settings: Scheduler,
    telemetry: Telemetry,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = wiring::listen(&settings.listen, "scheduler_port").await?;
    tracing::info!(database = %settings.database, "scheduler starts");
    let store = wiring::open_store(&settings.database)?;
    serve(listener, store, settings.api, telemetry, Readiness::waiting("starting"), shutdown).await
}

/// Serves on `listener`, which shows metrics and readiness too.
pub(crate) async fn serve(
    listener: TcpListener,
    store: Arc<dyn Store>,
    api: Api,
    telemetry: Telemetry,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    telemetry.say("scheduler");
    let store = telemetry.measured(store);
    let (metrics, traces) = (telemetry.metrics.clone(), telemetry.traces.clone());
    let served =
        distrack_scheduler::serve(listener, store, api.into(), metrics, traces, readiness, shutdown).await;
    telemetry.stop().await;
    Ok(served?)
}
