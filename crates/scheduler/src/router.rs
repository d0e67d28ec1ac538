//! The table of routes, each with what it asks of its caller.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, Method};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use distrack_core::Scope;
use distrack_telemetry::{Metrics, Readiness, admin};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::auth::Needs::{self, Nothing};
use crate::auth::authorize;
use crate::routes::{audit, batch, change, fleet, list, output, read, submit, why};
use crate::{docs, edge, openapi};

/// A route: there is none without a word about its caller.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    handler: fn() -> MethodRouter<App>,
}

const fn route(
    method: Method,
    path: &'static str,
    needs: Needs,
    handler: fn() -> MethodRouter<App>,
) -> Route {
    Route { method, path, needs, handler }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const READ: Needs = Needs::Scope(Scope::Read);
const SUBMIT: Needs = Needs::Scope(Scope::Submit);
const CANCEL: Needs = Needs::Scope(Scope::Cancel);
const ADMIN: Needs = Needs::Whole(Scope::Admin);

/// The table.
///
/// Besides these, `/livez`, `/readyz` and `/metrics` are open to everybody who may reach the port, since they hold no
/// command, no output and no environment; `/admin/log` is for this machine alone and has a guard of its own.
pub(crate) static ROUTES: [Route; 17] = [
    route(POST, "/schedule", SUBMIT, || post(submit::schedule)),
    route(GET, "/status", READ, || get(read::status)),
    route(GET, "/v1/tasks", READ, || get(list::tasks)),
    route(POST, "/v1/tasks", SUBMIT, || post(submit::create)),
    route(POST, "/v1/tasks/batch", SUBMIT, || post(batch::create)),
    route(GET, "/v1/tasks/{id}", READ, || get(read::task)),
    route(POST, "/v1/tasks/{id}/cancel", CANCEL, || post(change::cancel)),
    route(POST, "/v1/tasks/{id}/retry", SUBMIT, || post(change::retry)),
    route(GET, "/v1/tasks/{id}/output", READ, || get(output::output)),
    route(GET, "/v1/tasks/{id}/attempts", READ, || get(read::attempts)),
    route(GET, "/v1/tasks/{id}/why", READ, || get(why::why)),
    route(GET, "/v1/tasks/{id}/trace", READ, || get(why::trace)),
    route(GET, "/v1/workers", READ, || get(fleet::workers)),
    route(GET, "/v1/queues", READ, || get(fleet::queues)),
    route(GET, "/v1/audit", ADMIN, || get(audit::audit)),
    route(GET, "/openapi.json", Nothing, || get(document)),
    route(GET, "/docs", Nothing, || get(page)),
];

/// Every route of the API, surrounded by what holds for all of them.
pub(crate) fn router(app: App, metrics: Metrics, readiness: Readiness) -> Router {
    let routes = ROUTES.iter().fold(Router::new(), |router, route| {
        let door = from_fn_with_state((app.clone(), route.needs), authorize);
        router.route(route.path, (route.handler)().route_layer(door))
    });
    routes
        .with_state(app.clone())
        .merge(admin::routes(metrics, readiness))
        .merge(admin::log_routes())
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(app, edge::surround))
}

/// What a route asks of its caller.
pub(crate) fn needs(method: &Method, path: &str) -> Needs {
    let found = ROUTES.iter().find(|route| route.path == path && route.method == *method);
    found.map_or(Nothing, |route| route.needs)
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(openapi::document);
static PAGE: LazyLock<docs::Page> = LazyLock::new(|| docs::Page::new(&DOCUMENT));

async fn document() -> Response {
    openapi::answer(DOCUMENT.clone())
}

async fn page(headers: HeaderMap) -> Response {
    PAGE.answer(&headers)
}
