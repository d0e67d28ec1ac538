//! The metrics port of a gRPC service: `/metrics`, `/livez`, `/readyz` and `/admin/log` over HTTP.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use crate::admin_log::log_routes;
use crate::{Metrics, Readiness, accept, openmetrics};

/// What anybody may ask, to be merged into another router.
pub fn routes(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(move |headers: HeaderMap| async move { render(&metrics, &headers) }))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { ready(&readiness) }))
}

/// Serves these and [`log_routes`] until `shutdown`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let routes = routes(metrics, readiness).merge(log_routes());
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
}

fn render(metrics: &Metrics, headers: &HeaderMap) -> Response {
    let (kind, page) = if accept::prefers_openmetrics(headers) {
        (openmetrics::CONTENT_TYPE, metrics.render_openmetrics())
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", metrics.render())
    };
    ([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], page).into_response()
}

fn ready(readiness: &Readiness) -> Response {
    let remark = readiness.remarked().map(|remark| remark + "\n").unwrap_or_default();
    match readiness.get() {
        Ok(()) => format!("ok\n{remark}").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n{remark}")).into_response(),
    }
}
