//! From the end of a span to the collector, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanProcessor};
use prometheus::IntCounter;
use tracing::{info, warn};

use super::tls;
use super::variables::set;
use crate::Metrics;

/// Spans that may wait for the collector: a few seconds' worth at full speed.
const QUEUE: usize = 32_768;
/// Spans of one call.
const BATCH: usize = 2048;
/// How long a span waits for others, unless `OTEL_BSP_SCHEDULE_DELAY` says so: what waits is lost with a process that is
/// killed.
const EVERY: Duration = Duration::from_millis(250);

/// Where the standard variables send traces; `None` if they ask for none.
pub(super) fn endpoint() -> Option<String> {
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if disabled || none {
        return None;
    }
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].into_iter().find_map(set)
}

/// The processor of one service's spans.
pub(super) fn processor(endpoint: &str, counted: Counted) -> Result<Bounded, String> {
    let endpoint = tls::with_scheme(endpoint.trim());
    let exporter = SpanExporter::builder().with_tonic();
    let exporter = match tls::config(&endpoint)? {
        Some(config) => exporter.with_tls_config(config),
        None => exporter,
    };
    let exporter = exporter.with_endpoint(endpoint).build().map_err(|error| error.to_string())?;
    let exporter = Counting { exporter, counted: counted.clone() };
    // Room for what the bound below lets through, so that nothing is dropped unseen.
    let config =
        BatchConfigBuilder::default().with_max_queue_size(QUEUE + BATCH).with_max_export_batch_size(BATCH);
    let delay = set("OTEL_BSP_SCHEDULE_DELAY").and_then(|millis| millis.parse().ok());
    // Without any the processor would never rest.
    let delay = delay.filter(|millis| *millis > 0).map_or(EVERY, Duration::from_millis);
    let config = config.with_scheduled_delay(delay).build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    Ok(Bounded { batches, counted })
}

/// What became of spans. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    exported: IntCounter,
    queue_full: IntCounter,
    export_failed: IntCounter,
    waiting: Arc<AtomicUsize>,
    failing: Arc<AtomicBool>,
}

impl Counted {
    /// Registers the counters, which are there whether or not spans are exported.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let exported =
            metrics.counter("distrack_otel_spans_exported_total", "Spans that the collector took.");
        let dropped = metrics.counter_vec(
            "distrack_otel_spans_dropped_total",
            "Spans that nobody will see, by reason (queue_full, export_failed).",
            &["reason"],
        );
        Self {
            exported,
            queue_full: dropped.with_label_values(&["queue_full"]),
            export_failed: dropped.with_label_values(&["export_failed"]),
            waiting: Arc::default(),
            failing: Arc::default(),
        }
    }
}

/// Drops and counts what comes while too much waits already. Whoever ends a span never waits.
#[derive(Debug)]
pub(super) struct Bounded {
    batches: BatchSpanProcessor,
    counted: Counted,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.counted.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            self.counted.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counted.queue_full.inc();
            return;
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what the collector takes, and says when that changes.
#[derive(Debug)]
struct Counting {
    exporter: SpanExporter,
    counted: Counted,
}

impl opentelemetry_sdk::trace::SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        self.counted.waiting.fetch_sub(spans, Ordering::Relaxed);
        let counter = if sent.is_ok() { &self.counted.exported } else { &self.counted.export_failed };
        counter.inc_by(spans as u64);
        match &sent {
            Err(error) if !self.counted.failing.swap(true, Ordering::Relaxed) => {
                warn!(%error, "the collector takes no spans");
            }
            Ok(()) if self.counted.failing.swap(false, Ordering::Relaxed) => {
                info!("the collector takes spans again");
            }
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
