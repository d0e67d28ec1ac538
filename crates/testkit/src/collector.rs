//! A collector of spans that a test reads: OTLP/gRPC, in the test's own process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// A span as it was exported. Ids are hex, values are text.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of OTLP")]
pub struct ExportedSpan {
    pub service: String,
    pub resource: BTreeMap<String, String>,
    pub trace_id: String,
    pub span_id: String,
    /// Empty for a span with nothing above it.
    pub parent_span_id: String,
    pub name: String,
    /// `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER` or `INTERNAL`.
    pub kind: String,
    pub start_ns: u64,
    pub end_ns: u64,
    pub attributes: BTreeMap<String, String>,
    /// Trace id, span id and role of each link.
    pub links: Vec<(String, String, String)>,
    pub is_error: bool,
    /// What its status says, and its events, as they came.
    pub said: String,
}

/// A running collector; stops when it is dropped.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    kept: Kept,
    serving: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<ExportedSpan>>>,
    calls: Arc<AtomicUsize>,
    hangs: Arc<AtomicBool>,
    discards: Arc<AtomicBool>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start() -> Result<Self> {
        Self::serve("http", Server::builder()).await
    }

    /// Starts one that speaks TLS, and returns the certificate that it signed itself, in PEM.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start_with_tls() -> Result<(Self, String)> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let certificate = made.cert.pem();
        let identity = Identity::from_pem(&certificate, made.signing_key.serialize_pem());
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?;
        Ok((Self::serve("https", server).await?, certificate))
    }

    async fn serve(scheme: &str, mut server: Server) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("{scheme}://{}", listener.local_addr()?);
        let kept = Kept::default();
        let service = TraceServiceServer::new(kept.clone()).max_decoding_message_size(64 * 1024 * 1024);
        let serving = server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move {
            // A test that needs it sees that nothing comes.
            let _ = serving.await;
        });
        Ok(Self { endpoint, kept, serving })
    }

    /// Returns what `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// From now on no call is answered.
    pub fn hang(&self) {
        self.kept.hangs.store(true, Ordering::SeqCst);
    }

    /// From now on spans are taken and forgotten, for measurements.
    pub fn discard(&self) {
        self.kept.discards.store(true, Ordering::SeqCst);
    }

    /// Returns how many calls came.
    pub fn calls(&self) -> usize {
        self.kept.calls.load(Ordering::SeqCst)
    }

    /// Returns every span that came, in order of their start.
    pub fn spans(&self) -> Vec<ExportedSpan> {
        let mut spans = self.kept.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_by_key(|span| (span.start_ns, span.end_ns));
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.discards.load(Ordering::SeqCst) {
            return Ok(Response::new(ExportTraceServiceResponse::default()));
        }
        for of_resource in request.into_inner().resource_spans {
            let resource = texts(&of_resource.resource.unwrap_or_default().attributes);
            let scopes = of_resource.scope_spans.into_iter();
            let read = scopes.flat_map(|scope| scope.spans).map(|span| exported(span, &resource));
            self.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn exported(span: otlp::Span, resource: &BTreeMap<String, String>) -> ExportedSpan {
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_owned();
    let link = |link: &otlp::span::Link| {
        let role = texts(&link.attributes).remove("distrack.link").unwrap_or_default();
        (hex(&link.trace_id), hex(&link.span_id), role)
    };
    ExportedSpan {
        service: resource.get("service.name").cloned().unwrap_or_default(),
        resource: resource.clone(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        links: span.links.iter().map(link).collect(),
        is_error: span.status.as_ref().is_some_and(|status| status.code() == otlp::status::StatusCode::Error),
        said: format!("{:?} {:?}", span.status, span.events),
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        attributes: texts(&span.attributes),
        name: span.name,
        kind,
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    use any_value::Value;
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(array)) => {
            array.values.iter().map(|value| text(Some(value))).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
