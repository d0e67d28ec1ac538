//! Where a request is in its trace, and the span that it is recorded and logged in.

use std::time::SystemTime;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use distrack_core::{TaskId, TraceContext, TraceId};
use distrack_telemetry::{Traces, names, traces};
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use crate::problem::Problem;

/// Routes that are asked all day long and are about nothing that anybody traces.
const UNTRACED: [&str; 5] = ["/metrics", "/livez", "/readyz", "/openapi.json", "/docs"];
/// The most tasks of a batch that share the request's trace. More in one trace are of no use to anybody.
const SHARED: usize = 100;
/// The longest path in a span, in bytes: anybody can ask for any.
const MOST_PATH: usize = 1024;
/// The longest host: a name has 253 characters.
const MOST_HOST: usize = 260;

/// The request's position in its trace, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct RequestTrace {
    /// What is sent on, and what clients are shown. Sampled only if somebody records it.
    pub(crate) context: TraceContext,
    /// By the wall clock, for spans.
    pub(crate) since: SystemTime,
}

impl RequestTrace {
    /// The position of `context`, from now on.
    pub(crate) fn new(context: TraceContext) -> Self {
        Self { context, since: now() }
    }

    /// The context that one of `count` tasks of this request gets.
    pub(crate) fn of_task(&self, traces: &Traces, count: usize) -> TraceContext {
        if count <= SHARED {
            return traces.child(&self.context);
        }
        let flags = if traces.records(&self.context) { self.context.flags } else { 0 };
        let state = self.context.state.clone();
        TraceContext { flags, state, ..TraceContext::root() }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestTrace {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::new(unrecorded())))
    }
}

/// What surrounds a request: its position, its span, and which task it names.
pub(crate) struct Begun {
    pub(crate) trace: RequestTrace,
    /// Of every line that is logged about it, and of its record.
    pub(crate) span: Span,
    /// The task of its path.
    pub(crate) task: Option<TaskId>,
    /// Its trace, if it is recorded there.
    pub(crate) recorded: Option<TraceId>,
}

impl Begun {
    /// Begins with a request's head.
    pub(crate) fn new(traces: &Traces, request: &Request, route: Option<&str>) -> Self {
        let caller = caller(request.headers());
        let task = task_of(request, route);
        if traces.is_on() && !route.is_some_and(|route| UNTRACED.contains(&route)) {
            let span = server_span(request, route, task);
            if let Some(caller) = &caller {
                traces::set_parent(&span, caller);
            }
            // Within it, or a layer of another service might make it.
            if let Some(context) = span.in_scope(|| traces::current_context(&span)) {
                let recorded = context.is_sampled().then_some(context.trace_id);
                return Self { trace: RequestTrace::new(context), span, task, recorded };
            }
        }
        // Nothing records it, so there is nothing below the caller to be sent to.
        let context = caller.unwrap_or_else(unrecorded);
        let (trace_id, span_id) = (display(context.trace_id), display(context.span_id));
        let span = info_span!(parent: None, "request", trace_id, span_id);
        Self { trace: RequestTrace::new(context), span, task, recorded: None }
    }

    /// Notes what it was answered with. A mistake of the client is no error of the span.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.span.record(names::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()));
        if status.is_server_error() {
            self.span.record("otel.status_code", "error");
            self.span.record(names::ERROR_TYPE, status.as_str());
        }
    }
}

/// Notes in the span of the request, or of the canary, that is being served which task it made.
pub(crate) fn made(task: TaskId) {
    Span::current().record(names::TASK_ID, display(task));
}

/// A method in metrics and spans, where anybody could make one up.
pub(crate) fn method_name(method: &Method) -> &str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    if KNOWN.contains(&method.as_str()) { method.as_str() } else { "_OTHER" }
}

/// The beginning of a trace that nobody records.
pub(crate) fn unrecorded() -> TraceContext {
    TraceContext { flags: 0, ..TraceContext::root() }
}

/// The wall clock, for spans. Nothing is decided by it.
#[expect(clippy::disallowed_methods, reason = "shown, never compared")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The span of docs/telemetry.md. Never the query, whose values may be anything.
fn server_span(request: &Request, route: Option<&str>, task: Option<TaskId>) -> Span {
    let method = method_name(request.method());
    let verb = if method == "_OTHER" { "HTTP" } else { method };
    let name = route.map_or_else(|| verb.to_owned(), |route| format!("{verb} {route}"));
    let host = request.headers().get(HOST).filter(|host| host.len() <= MOST_HOST);
    let host = host.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let path = request.uri().path();
    info_span!(
        parent: None,
        "request",
        otel.kind = "server",
        otel.name = name,
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = &path[..path.floor_char_boundary(MOST_PATH)],
        url.scheme = "http",
        server.address = host.as_ref().map(Authority::host),
        server.port = host.as_ref().and_then(Authority::port_u16).map(i64::from),
        distrack.task.id = task.map(display),
    )
}

/// The caller's position. A malformed or doubled `traceparent` is none (W3C Trace Context §3.2.1).
fn caller(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?.to_str().ok()?;
    let states = headers.get_all("tracestate").iter();
    let states: Vec<&str> = states.filter_map(|state| state.to_str().ok()).collect();
    let states = (!states.is_empty()).then(|| states.join(","));
    TraceContext::parse(parent, states.as_deref())
}

/// The task that a request is about by its path, or by the query of the older route.
fn task_of(request: &Request, route: Option<&str>) -> Option<TaskId> {
    let uri = request.uri();
    match route? {
        "/status" => {
            let mut query = form_urlencoded::parse(uri.query()?.as_bytes());
            query.find(|(name, _)| name == "task_id")?.1.parse().ok()
        }
        route if route.starts_with("/v1/tasks/{id}") => uri.path().split('/').nth(3)?.parse().ok(),
        _ => None,
    }
}
