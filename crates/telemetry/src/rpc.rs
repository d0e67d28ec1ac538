//! How long calls over gRPC take, and how they end: at the server by a layer around all services, at the client
//! around each call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::http::{HeaderMap, Request, Response};
use distrack_core::{TraceContext, TraceId};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::{HistogramVec, Metrics, buckets};

const LABELS: [&str; 2] = ["rpc_method", "rpc_response_status_code"];

/// The label of a call of which no service knows the method: clients make up names.
const OTHER: &str = "_OTHER";

/// Observes `rpc_client_call_duration_seconds`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientCalls {
    calls: HistogramVec,
}

impl ClientCalls {
    /// Registers the histogram.
    pub fn new(metrics: &Metrics) -> Self {
        let (name, help) = ("rpc_client_call_duration_seconds", "Calls to other services over gRPC.");
        Self { calls: metrics.histogram_vec(name, help, &LABELS, &buckets::CALL) }
    }

    /// Makes a call and measures it. `method` is fully qualified, as in `distrack.v1.WorkerService/Dispatch`. A call
    /// that is dropped before its answer counts as `CANCELLED`.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn observe<T, F>(&self, method: &'static str, call: F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.observe_traced(method, None, call).await
    }

    /// The same for a call of a sampled trace.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn observe_traced<T, F>(
        &self,
        method: &'static str,
        trace: Option<TraceId>,
        call: F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let measured = Call::begin(&self.calls, method, trace);
        let answer = call.await;
        measured.end(answer.as_ref().map_or_else(Status::code, |_| Code::Ok));
        answer
    }
}

/// Observes `rpc_server_call_duration_seconds` for every call of a server, from its head to the last of its answer.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerLayer {
    calls: HistogramVec,
    methods: &'static [&'static str],
}

impl ServerLayer {
    /// Registers the histogram. `methods` are those that have series of their own, fully qualified.
    pub fn new(metrics: &Metrics, methods: &'static [&'static str]) -> Self {
        let (name, help) = ("rpc_server_call_duration_seconds", "Calls of other services over gRPC.");
        Self { calls: metrics.histogram_vec(name, help, &LABELS, &buckets::CALL), methods }
    }

    fn begin<B>(&self, request: &Request<B>) -> Call {
        let path = request.uri().path();
        let asked = path.strip_prefix('/').unwrap_or(path);
        let method = self.methods.iter().find(|method| **method == asked).copied().unwrap_or(OTHER);
        Call::begin(&self.calls, method, sampled(request.headers()))
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerCalls<S>;

    fn layer(&self, inner: S) -> ServerCalls<S> {
        ServerCalls { inner, layer: self.clone() }
    }
}

/// A call that is part of a trace, of which its server hears. What a message carries by itself is not in it: a batch is
/// part of many.
pub fn within<T>(message: T, context: Option<&TraceContext>) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if let Some(parent) = context.and_then(|context| context.traceparent().parse().ok()) {
        request.metadata_mut().insert("traceparent", parent);
    }
    request
}

/// The trace that the caller says it is in, if that one is sampled.
fn sampled(headers: &HeaderMap) -> Option<TraceId> {
    let context = TraceContext::parse(headers.get("traceparent")?.to_str().ok()?, None)?;
    context.is_sampled().then_some(context.trace_id)
}

/// A server under a [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct ServerCalls<S> {
    inner: S,
    layer: ServerLayer,
}

impl<S, B, A> Service<Request<B>> for ServerCalls<S>
where
    S: Service<Request<B>, Response = Response<A>>,
{
    type Response = Response<Answer<A>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = Some(self.layer.begin(&request));
        Answering { inner: self.inner.call(request), call }
    }
}

pin_project! {
    /// A call that is being worked on.
    pub struct Answering<F> {
        #[pin]
        inner: F,
        call: Option<Call>,
    }
}

impl<F, A, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<A>, E>>,
{
    type Output = Result<Response<Answer<A>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        let mut call = this.call.take();
        match &answer {
            Ok(answer) => end_by(&mut call, answer.headers()),
            Err(_) => end(&mut call, Code::Unknown),
        }
        Poll::Ready(answer.map(|answer| answer.map(|inner| Answer { inner, call })))
    }
}

pin_project! {
    /// An answer on its way. The status of a call is the last of it.
    pub struct Answer<A> {
        #[pin]
        inner: A,
        call: Option<Call>,
    }
}

impl<A: Body> Body for Answer<A> {
    type Data = A::Data;
    type Error = A::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<A::Data>, A::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    end_by(this.call, trailers);
                }
            }
            Some(Err(_)) | None => end(this.call, Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn end_by(call: &mut Option<Call>, headers: &HeaderMap) {
    if let Some(status) = headers.get("grpc-status") {
        end(call, Code::from_bytes(status.as_bytes()));
    }
}

fn end(call: &mut Option<Call>, code: Code) {
    if let Some(call) = call.take() {
        call.end(code);
    }
}

/// A call under way. Whoever drops it has given it up.
#[derive(Debug)]
struct Call {
    calls: HistogramVec,
    method: &'static str,
    trace: Option<TraceId>,
    began: Instant,
    code: Code,
}

impl Call {
    fn begin(calls: &HistogramVec, method: &'static str, trace: Option<TraceId>) -> Self {
        Self { calls: calls.clone(), method, trace, began: Instant::now(), code: Code::Cancelled }
    }

    fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let series = self.calls.with_label_values(&[self.method, status_name(self.code)]);
        series.observe_traced(self.began.elapsed().as_secs_f64(), self.trace);
    }
}

/// The canonical name of a status.
pub fn status_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
