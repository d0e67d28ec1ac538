//! From settings to parts: which store a URL means, where to listen, and the port for metrics beside a service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use distrack_store::{Access, Detached, Store};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_store_sqlite::SqliteStore;
use distrack_telemetry::{Metrics, Readiness, admin};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::settings::trust::Trust;
use crate::settings::{Database, Listen};

/// A database, as the services see it: what is kept of tasks, and of tokens.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) access: Arc<dyn Access>,
}

impl Opened {
    fn new(store: impl Store + Access) -> Self {
        let store = Arc::new(Detached::new(store));
        Self { store: Arc::clone(&store) as Arc<dyn Store>, access: store }
    }
}
/// How often it is said that nobody is asked who he is.
const SAY_OPEN: Duration = Duration::from_secs(60);

/// Opens the store of a database. Never waits for a Postgres: its steps fail until it answers.
///
/// # Errors
/// When the URL cannot be read by the driver, or the file cannot be opened.
pub(crate) fn open_store(database: &Database) -> anyhow::Result<Arc<dyn Store>> {
    Ok(open(database)?.store)
}

/// The same, with the tokens.
pub(crate) fn open(database: &Database) -> anyhow::Result<Opened> {
    match database {
        Database::Postgres(url) => {
            let store = PgStore::connect(url.expose(), &PgSettings::default());
            Ok(Opened::new(store.map_err(|error| anyhow!("cannot use {database}: {error}"))?))
        }
        Database::Sqlite(path) => {
            let store = SqliteStore::open(path);
            Ok(Opened::new(store.map_err(|error| anyhow!("cannot open {database}: {error}"))?))
        }
    }
}

/// Listens where a setting says, and logs where that is.
///
/// # Errors
/// When the address is taken, or is none of this machine's; names the setting.
pub(crate) async fn listen(listen: &Listen, setting: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind((listen.host.as_str(), listen.port)).await;
    let listener = bound.with_context(|| format!("cannot listen on {listen} (--{setting})"))?;
    tracing::info!(setting, address = %listener.local_addr()?, "listening");
    Ok(listener)
}

/// Where to dial a listener of this machine from itself.
pub(crate) fn dialled(listener: &TcpListener) -> anyhow::Result<SocketAddr> {
    let mut address = listener.local_addr()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(address)
}

/// Says again and again that a service is open to everybody, if it is, for as long as what is returned is kept.
pub(crate) fn say_open(trust: &Trust, readiness: &Readiness, port: &'static str) -> Option<DropGuard> {
    if !trust.is_open {
        return None;
    }
    readiness.remark(
        "auth: OFF: --insecure_no_auth is set, whoever reaches this service runs commands on the fleet",
    );
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(stopped.run_until_cancelled_owned(async move {
        loop {
            tracing::error!(
                port,
                "NO AUTHENTICATION: --insecure_no_auth is set, whoever reaches this port runs commands on the fleet; \
                 use --cluster_token_file instead"
            );
            tokio::time::sleep(SAY_OPEN).await;
        }
    }));
    Some(stop.drop_guard())
}

/// The metrics port of a gRPC service, while the service runs.
pub(crate) struct Admin {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Admin {
    /// Serves `/metrics`, `/livez` and `/readyz` until [`Admin::stop`].
    pub(crate) fn start(listener: TcpListener, metrics: Metrics, readiness: Readiness) -> Self {
        let stop = CancellationToken::new();
        let serving = admin::serve(listener, metrics, readiness, stop.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the metrics port failed");
            }
        });
        Self { stop, serving }
    }

    /// Stops. A scraper that hangs holds nothing up.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.serving).await;
    }
}
