//! What surrounds every request: the host check, its trace, its problem in writing, its measurement.

use std::any::Any;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use distrack_core::TaskId;
use tracing::field::display;
use tracing::{Instrument, debug, error, warn};

use crate::app::App;
use crate::caller::Caller;
use crate::load::{self, Spare};
use crate::problem::{Code, Problem, ProblemDocument};
use crate::request_trace::Begun;
use crate::unread;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Surrounds a request.
pub(crate) async fn surround(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let route = route.as_ref().map(MatchedPath::as_str);
    let begun = Begun::new(&app.traces, &request, route);
    let mut measured = Measured { app: &app, method: &method, route, began, begun: &begun, status: None };
    // A client that hangs up drops this, and the span ends with it.
    let (response, refused) = answer(&app, &begun, request, next).instrument(begun.span.clone()).await;
    measured.status = Some(response.status());
    begun.answered(response.status());
    if let Some(code) = refused {
        app.instruments.refused(&method, route, code);
    }
    response
}

/// A request until it is answered, or until nobody waits for the answer any more: either is measured.
struct Measured<'a> {
    app: &'a App,
    method: &'a Method,
    route: Option<&'a str>,
    began: Instant,
    begun: &'a Begun,
    status: Option<StatusCode>,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.app.instruments.answered(self.method, self.route, self.status, took, self.begun.recorded);
    }
}

/// The answer, whole, and what the request was refused for.
async fn answer(app: &App, begun: &Begun, request: Request, next: Next) -> (Response, Option<Code>) {
    let (uri, method) = (request.uri().clone(), request.method().clone());
    let request_id = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned();
    let (mut request, rest) = unread::keep(request);
    let spare = request.extensions().get::<Spare>().copied();
    let known = app.hosts.check(&method, &uri, request.headers());
    let mut response = match known.and_then(|()| app.load.place(uri.path(), spare)) {
        Err(problem) => problem.into_response(),
        Ok(place) => {
            let caller = Caller::without_token(request.extensions());
            request.extensions_mut().insert(begun.trace.clone());
            request.extensions_mut().insert(caller);
            load::keep(place, next.run(request)).await
        }
    };
    rest.discard().await;
    let refused = problem_of(&mut response);
    if let Some(problem) = &refused {
        let trace_id = begun.trace.context.trace_id.to_string();
        let document = ProblemDocument::new(problem, response.status(), trace_id, uri.path());
        write_out(&mut response, problem, &document);
        say(problem, &method, uri.path(), begun.task);
    }
    if let Some(id) = request_id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    protect(response.headers_mut());
    (response, refused.map(|problem| problem.code))
}

/// Says once what was refused or failed. The span around it has the trace id, which the client was shown.
fn say(problem: &Problem, method: &Method, path: &str, task: Option<TaskId>) {
    let (code, cause, task_id) = (problem.code.as_str(), problem.cause.as_deref(), task.map(display));
    match problem.code.status() {
        // Of these there are many, and what they say is in the metrics.
        _ if problem.code == Code::Overloaded => debug!(%method, path, code, "request refused"),
        StatusCode::SERVICE_UNAVAILABLE => warn!(%method, path, code, cause, task_id, "request refused"),
        status if status.is_server_error() => error!(%method, path, code, cause, task_id, "request failed"),
        _ => debug!(%method, path, code, task_id, "request refused"),
    }
}

/// A panic in a handler, as an answer.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Problem::internal(format_args!("a handler panicked: {said}")).into_response()
}

/// The problem of a response, those that axum answers by itself included.
fn problem_of(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let bare = (status.is_client_error() || status.is_server_error())
        && !response.headers().contains_key(CONTENT_TYPE);
    bare.then(|| match status {
        StatusCode::NOT_FOUND => Problem::new(Code::RouteNotFound, "see /docs for the routes"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::MethodNotAllowed, "the Allow header names the methods")
        }
        status if status.is_server_error() => Problem::internal(status),
        _ => Problem::new(Code::MalformedRequest, "the request could not be understood"),
    })
}

fn write_out(response: &mut Response, problem: &Problem, document: &ProblemDocument<'_>) {
    *response.body_mut() = Body::from(serde_json::to_vec(document).unwrap_or_default());
    let headers = response.headers_mut();
    headers.remove(axum::http::header::CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    if let Some(seconds) = problem.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if problem.code == Code::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

fn protect(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn is_plain(id: &HeaderValue) -> bool {
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}
