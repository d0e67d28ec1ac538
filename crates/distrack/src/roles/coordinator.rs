//! `distrack coordinator`: the gRPC service that knows the workers, alone.

use std::sync::Arc;

use distrack_coordinator::Settings;
use distrack_core::TracePolicy;
use distrack_store::{Retention, Store};
use distrack_telemetry::Readiness;
use distrack_telemetry::traces::Process;
use distrack_transport::Transport;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::certificate;
use crate::settings::roles::Coordinator;
use crate::settings::shared::Timing;
use crate::settings::trust::Trust;
use crate::telemetry::Telemetry;
use crate::wiring::{self, Admin};

/// Where a coordinator listens.
pub(crate) struct Ports {
    /// For workers.
    pub(crate) grpc: TcpListener,
    /// For scrapers.
    pub(crate) metrics: TcpListener,
}

/// How attempts are told of in spans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling {
    /// What spans call the database.
    pub(crate) database: &'static str,
    /// Which traces attempts get.
    pub(crate) trace_policy: TracePolicy,
}

/// Runs until `shutdown`.
pub(crate) async fn run(
    settings: Coordinator,
    process: Process,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let ports = Ports {
        grpc: wiring::listen(&settings.listen, "coordinator_port").await?,
        metrics: wiring::listen(&settings.metrics, "metrics_port").await?,
    };
    tracing::info!(database = %settings.database, "coordinator starts");
    let store = wiring::open_store(&settings.database)?;
    let telling = Telling { database: settings.database.system(), trace_policy: settings.trace_policy };
    let telemetry = Telemetry::start("coordinator", &process);
    let readiness = Readiness::waiting("starting");
    serve(ports, store, settings.timing, telling, settings.trust, telemetry, readiness, shutdown).await
}

/// Serves on `ports`; the metrics are there until the very end.
#[expect(clippy::too_many_arguments, reason = "they have nothing in common")]
pub(crate) async fn serve(
    ports: Ports,
    store: Arc<dyn Store>,
    timing: Timing,
    telling: Telling,
    trust: Trust,
    telemetry: Telemetry,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = Settings {
        heartbeat_interval: timing.heartbeat_interval,
        lost_after: timing.lost_after,
        retention: Retention {
            tasks: timing.retention,
            audit: timing.audit_retention,
            ..Retention::default()
        },
        trace_policy: telling.trace_policy,
        database: telling.database,
        ..Settings::default()
    };
    telemetry.say("coordinator");
    let store = telemetry.measured(store);
    let (metrics, traces) = (telemetry.metrics.clone(), telemetry.traces.clone());
    let admin = Admin::start(ports.metrics, metrics.clone(), readiness.clone());
    let open = wiring::say_open(&trust, &readiness, "coordinator_port");
    if let Some(tls) = trust.security.tls.clone() {
        certificate::show_expiry(&metrics, move || tls.expires());
    }
    let transport = Transport::from(ports.grpc).secured(trust.security);
    let served =
        distrack_coordinator::serve(transport, store, settings, metrics, traces, readiness, shutdown).await;
    drop(open);
    telemetry.stop().await;
    admin.stop().await;
    Ok(served?)
}
