//! The scheduler: accepts tasks over HTTP and answers questions about them.
//!
//! It never runs, claims or times anything: it stores what it was asked for and reads what the fleet did.
//! A request goes one way: [`server`] → [`edge`] (host, trace, errors) → [`routes`] → [`intake`] or the store.
//! Who may ask for what is decided in [`auth`].
//! Start reading at [`router`], the table of routes.

mod app;
mod audit;
mod auth;
mod body;
mod caller;
mod canary;
mod descriptors;
mod docs;
mod duration;
mod edge;
mod guard;
mod idempotency;
mod intake;
mod load;
mod metrics;
mod object;
mod openapi;
mod patient;
mod problem;
mod query;
mod readiness;
mod request;
mod request_trace;
mod resource;
mod router;
mod routes;
mod server;
mod settings;
mod spares;
mod stamp;
mod unread;
mod wait;
mod waiters;

use std::io;
use std::sync::Arc;

use distrack_store::Store;
use distrack_telemetry::{Metrics, Readiness, Traces};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use auth::gateway::of_container as container_gateway;
pub use settings::{Auth, AuthMode, Canary, Settings};

/// Serves the HTTP API on `listener` until `shutdown`, whether or not the database answers.
///
/// After `shutdown` no connection is accepted, requests under way are answered, waits end early, and every
/// submission that was taken in is committed or refused before this returns. Spans go to `traces`, which the
/// caller stops afterwards; those of requests are made if [`Traces::layer`] is part of the subscriber.
///
/// # Errors
/// When the listener's address cannot be read. A failing connection is no error of the service.
pub async fn serve(
    listener: TcpListener,
    store: Arc<dyn Store>,
    settings: Settings,
    metrics: Metrics,
    traces: Traces,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> io::Result<()> {
    // Whatever is bounded by connections is bounded by as many as there can be.
    let settings = Settings { connections: descriptors::connections(settings.connections), ..settings };
    let address = listener.local_addr()?;
    let tls = settings.tls.is_some();
    tracing::info!(%address, tls, auth = settings.auth.mode.as_str(), "scheduler listens");
    if let Some(tls) = settings.tls.clone() {
        let warned = distrack_transport::watch_expiry(move || tls.expires());
        drop(tokio::spawn(shutdown.clone().run_until_cancelled_owned(warned)));
    }
    let watch = tokio::spawn(readiness::watch(
        Arc::clone(&store),
        readiness.clone(),
        settings.store_timeout,
        shutdown.clone(),
    ));
    let (app, intake) = app::App::start(store, settings.clone(), &metrics, traces, shutdown.clone());
    let canary = canary::start(app.clone(), &metrics);
    let kept = tokio::spawn(auth::keep(app.clone(), readiness.clone()));
    let router = router::router(app, metrics, readiness);
    server::serve(listener, router, &settings, &shutdown).await;
    // Every handle on the intake went with the router and the canary, so its loop ends once it has flushed.
    let _ = tokio::join!(canary, kept, intake, watch);
    tracing::info!("scheduler stopped");
    Ok(())
}
