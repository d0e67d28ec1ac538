//! The scheduler: accepts tasks over HTTP and answers questions about them.
//!
//! It never runs, claims or times anything: it stores what it was asked for and reads what the fleet did.
//! A request goes one way: [`server`] → [`edge`] (host, trace, errors) → [`routes`] → [`intake`] or the store.
//! Start reading at [`router`], the table of routes.

mod app;
mod body;
mod docs;
mod duration;
mod edge;
mod guard;
mod idempotency;
mod intake;
mod metrics;
mod object;
mod openapi;
mod problem;
mod query;
mod readiness;
mod request;
mod resource;
mod router;
mod routes;
mod server;
mod settings;
mod stamp;
mod unread;
mod wait;
mod waiters;

use std::io;
use std::sync::Arc;

use distrack_store::Store;
use distrack_telemetry::{Metrics, Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use settings::Settings;

/// Serves the HTTP API on `listener` until `shutdown`, whether or not the database answers.
///
/// After `shutdown` no connection is accepted, requests under way are answered, waits end early, and every
/// submission that was taken in is committed or refused before this returns.
///
/// # Errors
/// When the listener's address cannot be read. A failing connection is no error of the service.
pub async fn serve(
    listener: TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
    metrics: Metrics,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "scheduler listens");
    let watch = tokio::spawn(readiness::watch(
        Arc::clone(&store),
        readiness.clone(),
        settings.store_timeout,
        shutdown.clone(),
    ));
    let (app, intake) = app::App::start(store, settings.clone(), &metrics, shutdown.clone());
    let router = router::router(app, metrics, readiness);
    server::serve(listener, router, &settings, &shutdown).await;
    // Every handle on the intake went with the router, so its loop ends once it has flushed.
    let _ = tokio::join!(intake, watch);
    tracing::info!("scheduler stopped");
    Ok(())
}
