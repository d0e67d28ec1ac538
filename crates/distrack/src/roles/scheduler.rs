//! `distrack scheduler`: the HTTP service alone.

use distrack_telemetry::Readiness;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::certificate;
use crate::settings::roles::Scheduler;
use crate::settings::shared::Api;
use crate::telemetry::Telemetry;
use crate::wiring::{self, Opened};

/// Runs until `shutdown`.
pub(crate) async fn run(
    settings: Scheduler,
    telemetry: Telemetry,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = wiring::listen(&settings.listen, "scheduler_port").await?;
    tracing::info!(database = %settings.database, "scheduler starts");
    let database = wiring::open(&settings.database)?;
    serve(listener, database, settings.api, telemetry, Readiness::waiting("starting"), shutdown).await
}

/// Serves on `listener`, which shows metrics and readiness too.
pub(crate) async fn serve(
    listener: TcpListener,
    database: Opened,
    api: Api,
    telemetry: Telemetry,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    telemetry.say("scheduler");
    let store = telemetry.measured(database.store);
    let mut settings = distrack_scheduler::Settings::from(api);
    settings.auth.tokens = Some(database.access);
    if let Some(tls) = settings.tls.clone() {
        certificate::show_expiry(&telemetry.metrics, move || tls.expires());
    }
    let (metrics, traces) = (telemetry.metrics.clone(), telemetry.traces.clone());
    let served =
        distrack_scheduler::serve(listener, store, settings, metrics, traces, readiness, shutdown).await;
    telemetry.stop().await;
    Ok(served?)
}
