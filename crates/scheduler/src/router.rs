//! The table of routes.

use axum::Router;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use distrack_telemetry::{Metrics, Readiness, admin};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::routes::{batch, change, fleet, list, output, read, submit, why};
use crate::{docs, edge, openapi};

/// Every route of the API, surrounded by what holds for all of them.
pub(crate) fn router(app: App, metrics: Metrics, readiness: Readiness) -> Router {
    let document = openapi::document();
    let page = docs::Page::new(&document);
    Router::new()
        .route("/schedule", post(submit::schedule))
        .route("/status", get(read::status))
        .route("/v1/tasks", get(list::tasks).post(submit::create))
        .route("/v1/tasks/batch", post(batch::create))
        .route("/v1/tasks/{id}", get(read::task))
        .route("/v1/tasks/{id}/cancel", post(change::cancel))
        .route("/v1/tasks/{id}/retry", post(change::retry))
        .route("/v1/tasks/{id}/output", get(output::output))
        .route("/v1/tasks/{id}/attempts", get(read::attempts))
        .route("/v1/tasks/{id}/why", get(why::why))
        .route("/v1/tasks/{id}/trace", get(why::trace))
        .route("/v1/workers", get(fleet::workers))
        .route("/v1/queues", get(fleet::queues))
        .route("/openapi.json", get(move || async move { openapi::answer(document) }))
        .route("/docs", get(move |headers: HeaderMap| async move { page.answer(&headers) }))
        .with_state(app.clone())
        .merge(admin::routes(metrics, readiness))
        .merge(admin::log_routes())
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(app, edge::surround))
}
