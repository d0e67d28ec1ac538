//! Traces: one service's way to a collector, over OTLP/gRPC.
//!
//! Off, and at no cost, unless an endpoint is set by the standard variables. Whoever records a span never waits: a
//! collector that is slow, hung or gone costs spans, which are counted, and nothing else.

mod exporter;
mod ids;
mod resource;
mod sampler;
mod span;
mod tls;
mod variables;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use distrack_core::{SpanId, TraceContext, TraceId};
use opentelemetry::trace::{
    Link, Span as _, SpanContext, Status, TraceContextExt, TraceFlags, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::Metrics;
use crate::names;

pub use opentelemetry::trace::SpanKind;
pub use resource::Process;
pub use span::{LinkTo, Span};

const SCHEMA: &str = "https://opentelemetry.io/schemas/1.42.0";

/// Records the spans of one service. Cheap to clone. Not global: `distrack up` runs three services in one process.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<On>>);

struct On {
    service: &'static str,
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    complaint: Option<String>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("on", &self.is_on()).finish()
    }
}

impl Traces {
    /// Records nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// The way to the collector that the standard `OTEL_*` variables name; off when they name none.
    ///
    /// `service` is `scheduler`, `coordinator` or `worker`. Must be called within the runtime.
    ///
    /// # Errors
    /// Why spans cannot be exported although they are asked for. No reason not to serve.
    pub fn start(service: &'static str, process: &Process, metrics: &Metrics) -> Result<Self, String> {
        match exporter::endpoint() {
            Some(endpoint) => Self::start_at(&endpoint, service, process, metrics),
            None => {
                exporter::Counted::new(metrics);
                Ok(Self::off())
            }
        }
    }

    /// The way to the collector at `endpoint`, such as `http://localhost:4317`.
    ///
    /// # Errors
    /// When that is no such address.
    pub fn start_at(
        endpoint: &str,
        service: &'static str,
        process: &Process,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let counted = exporter::Counted::new(metrics);
        let processor = exporter::processor(endpoint, counted)?;
        let (sampler, complaint) = sampler::from_environment();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler)
            .with_id_generator(ids::Given)
            .with_resource(process.resource(service))
            .build();
        let scope = InstrumentationScope::builder("distrack")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA);
        let tracer = provider.tracer_with_scope(scope.build());
        Ok(Self(Some(Arc::new(On { service, tracer, provider, complaint }))))
    }

    /// Whether spans are exported at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What is wrong with the variables, although spans are exported.
    pub fn complaint(&self) -> Option<&str> {
        self.0.as_ref()?.complaint.as_deref()
    }

    /// Whether spans of this context are recorded: worth asking before their parts are put together.
    pub fn records(&self, context: &TraceContext) -> bool {
        self.is_on() && context.is_sampled()
    }

    /// The context of a span below `parent` that will be recorded. `parent` itself when it will not: nobody is to be
    /// sent to a span that never is.
    pub fn child(&self, parent: &TraceContext) -> TraceContext {
        if self.records(parent) { parent.child() } else { parent.clone() }
    }

    /// Records a span that has ended.
    pub fn record(&self, span: Span) {
        let Some(on) = &self.0 else { return };
        if !span.context.is_sampled() {
            return;
        }
        let parent = span.parent.as_ref().map(span_context);
        let above =
            parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let links = span.links.iter().map(|link| {
            let role = vec![KeyValue::new(names::LINK, link.role)];
            Link::new(link_context(link), role, 0)
        });
        let mut attributes = span.attributes;
        let status = match span.error {
            None => Status::Unset,
            Some(error) => {
                attributes.push(KeyValue::new(names::ERROR_TYPE, error));
                Status::error(span.message.unwrap_or_default())
            }
        };
        let builder = on
            .tracer
            .span_builder(span.name)
            .with_kind(span.kind)
            .with_start_time(span.start)
            .with_attributes(attributes)
            .with_links(links.collect());
        let mut recorded = ids::with(&span.context, || on.tracer.build_with_context(builder, &above));
        recorded.set_status(status);
        recorded.end_with_timestamp(span.end.max(span.start));
    }

    /// The part of the subscriber that makes spans of this service's own `tracing` spans which name a kind
    /// (`otel.kind`), with the service's log lines in them as events. `None` when off.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let on = self.0.as_ref()?;
        let target = format!("distrack_{}", on.service);
        let own = Targets::new().with_target(target, tracing::Level::INFO);
        let named =
            filter_fn(|metadata| metadata.is_event() || metadata.fields().field("otel.kind").is_some());
        let layer = tracing_opentelemetry::layer()
            .with_tracer(on.tracer.clone())
            .with_threads(false)
            .with_location(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(own.and(named)))
    }

    /// Sends what is left, for at most `within`, and stops.
    pub async fn stop(&self, within: Duration) {
        let Some(on) = self.0.clone() else { return };
        // It blocks its thread; one of the runtime's own would be missed by the exporter.
        let stopping = tokio::task::spawn_blocking(move || on.provider.shutdown_with_timeout(within));
        if !matches!(tokio::time::timeout(within, stopping).await, Ok(Ok(Ok(())))) {
            warn!("some spans were not taken by the collector before the end");
        }
    }
}

/// The wall clock, for spans. Nothing is ever decided by it.
#[expect(clippy::disallowed_methods, reason = "shown, never compared")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// A context as the SDK has it.
fn span_context(context: &TraceContext) -> SpanContext {
    SpanContext::new(
        trace_id(context.trace_id),
        span_id(context.span_id),
        TraceFlags::new(context.flags),
        true,
        // What its vendors cannot read themselves is dropped, as the W3C has it.
        context.state.parse::<TraceState>().unwrap_or_default(),
    )
}

fn link_context(link: &LinkTo) -> SpanContext {
    let flags = if link.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(trace_id(link.trace_id), span_id(link.span_id), flags, true, TraceState::default())
}

fn trace_id(id: TraceId) -> opentelemetry::trace::TraceId {
    opentelemetry::trace::TraceId::from_bytes(id.to_bytes())
}

fn span_id(id: SpanId) -> opentelemetry::trace::SpanId {
    opentelemetry::trace::SpanId::from_bytes(id.to_bytes())
}

/// The context of the `tracing` span in which this is called, if a [`Traces::layer`] makes a span of it. `flags` and
/// all: what a caller may be sent to.
pub fn current_context(span: &tracing::Span) -> Option<TraceContext> {
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    let context = span.context();
    let made = context.span().span_context().clone();
    Some(TraceContext {
        trace_id: TraceId::from_bytes(made.trace_id().to_bytes())?,
        span_id: SpanId::from_bytes(made.span_id().to_bytes())?,
        flags: made.trace_flags().to_u8(),
        state: made.trace_state().header(),
    })
}

/// Puts a `tracing` span below the span of a caller. Before it is entered.
pub fn set_parent(span: &tracing::Span, parent: &TraceContext) {
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    // Without a layer there is nothing to set.
    let _ = span.set_parent(Context::new().with_remote_span_context(span_context(parent)));
}

/// Text for a span's name that is put together.
pub type Name = Cow<'static, str>;
