//! `distrack worker`: the gRPC service that runs commands, alone.

use std::net::IpAddr;
use std::path::PathBuf;

use distrack_telemetry::Readiness;
use distrack_telemetry::traces::Process;
use distrack_transport::Transport;
use distrack_worker::{Settings, Shutdown};
use tokio::net::TcpListener;

use crate::certificate;
use crate::settings::roles::Worker;
use crate::settings::shared::Running;
use crate::settings::trust::Trust;
use crate::telemetry::Telemetry;
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
pub(crate) async fn run(settings: Worker, process: Process, shutdown: Shutdown) -> anyhow::Result<()> {
    let ports = Ports {
        grpc: wiring::listen(&settings.listen, "worker_port").await?,
        metrics: wiring::listen(&settings.metrics, "metrics_port").await?,
    };
    let mut hosts = settings
        .coordinators
        .iter()
        .map(|address| host_of(address))
        .chain(settings.advertise_host.as_deref());
    let bound = ports.grpc.local_addr()?.ip();
    if bound.is_loopback() && !hosts.all(is_this_machine) {
        tracing::warn!("listens on {bound} only: coordinators elsewhere cannot reach it; set --bind=0.0.0.0");
    }
    let wanted = settings.listen.port;
    let (state_dir, state_dir_numbered) = (settings.state.of(wanted), settings.state.is_numbered(wanted));
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
    let told = Settings { state_dir_numbered, ..told(place, settings.running) };
    let telemetry = Telemetry::start("worker", &process);
    serve_as(ports, told, settings.trust, telemetry, Readiness::waiting("starting"), shutdown).await
}

/// The host of `host:port`.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Serves on `ports`; the metrics are there until the very end.
pub(crate) async fn serve(
    ports: Ports,
    place: Place,
    running: Running,
    trust: Trust,
    telemetry: Telemetry,
    readiness: Readiness,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    serve_as(ports, told(place, running), trust, telemetry, readiness, shutdown).await
}

fn told(place: Place, running: Running) -> Settings {
    Settings {
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
        on_disconnect: running.on_disconnect,
        adopt_orphans: true,
        child_env: running.child_env,
        trace_command: running.trace_command,
        isolation: running.isolation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Settings::default()
    }
}

async fn serve_as(
    ports: Ports,
    settings: Settings,
    trust: Trust,
    telemetry: Telemetry,
    readiness: Readiness,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    telemetry.say("worker");
    let (metrics, traces) = (telemetry.metrics.clone(), telemetry.traces.clone());
    let admin = Admin::start(ports.metrics, metrics.clone(), readiness.clone());
    let open = wiring::say_open(&trust, &readiness, "worker_port");
    if let Some(tls) = trust.security.tls.clone() {
        certificate::show_expiry(&metrics, move || tls.expires());
    }
    let transport = Transport::from(ports.grpc).secured(trust.security);
    let served = distrack_worker::serve(transport, settings, metrics, traces, readiness, shutdown).await;
    drop(open);
    telemetry.stop().await;
    admin.stop().await;
    Ok(served?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_each_of_its_loopback_names() {
        for address in ["localhost:8080", "127.0.0.1:1", "127.1.2.3:1", "[::1]:8080"] {
            assert!(is_this_machine(host_of(address)), "{address}");
        }
        for address in ["coordinator:8080", "192.0.2.1:1", "[2001:db8::1]:8080", "localhost.lan:1"] {
            assert!(!is_this_machine(host_of(address)), "{address}");
        }
    }
}
