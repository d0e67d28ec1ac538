//! A registry of one service's metrics. Not global: `distrack up` runs three services in one process.

use prometheus::core::{Collector, MetricVec};
use prometheus::proto::MetricType;
use prometheus::{
    CounterVec, Gauge, GaugeVec, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::exemplars::Families;
use crate::histogram::{Histogram, HistogramBuilder, HistogramVec};
use crate::openmetrics;

const VALID: &str = "name, help and labels are constant and valid";

/// The metrics of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    exemplars: Families,
}

/// Each constructor registers what it makes, and panics if the name is taken or no name of a metric: a mistake
/// in the code, found by the first start.
impl Metrics {
    /// A registry with the process's own figures and `distrack_build_info`.
    pub fn new(role: &str) -> Self {
        let metrics = Self { registry: Registry::new(), exemplars: Families::default() };
        let process = prometheus::process_collector::ProcessCollector::for_self();
        metrics.registry.register(Box::new(process)).expect("an empty registry has no such metric");
        let build = Gauge::with_opts(
            Opts::new(
                "distrack_build_info",
                "Always 1; the labels say which build of which service this is.",
            )
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("role", role),
        );
        metrics.register(build.expect(VALID)).set(1.0);
        metrics
    }

    /// Adds a collector and hands it back.
    ///
    /// # Panics
    /// When a metric of this name is registered already: a mistake in the code, found by the first start.
    pub fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.registry.register(Box::new(collector.clone())).expect("each metric is registered once");
        collector
    }

    /// A counter of whole things; its name ends with `_total`.
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect(VALID))
    }

    /// Counters of whole things by labels.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    /// Counters of amounts that are not whole, such as seconds, by labels.
    pub fn float_counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        self.register(CounterVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help).expect(VALID))
    }

    /// Gauges by labels.
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    /// A gauge of whole things.
    pub fn int_gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect(VALID))
    }

    /// Gauges of whole things by labels.
    pub fn int_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    /// Gauges that a collector of its own shows: see [`Metrics::register`].
    pub fn unregistered_int_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID)
    }

    /// A histogram with these upper edges; see [`crate::buckets`].
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::new(opts, &self.exemplars.add(name)).expect(VALID))
    }

    /// Histograms by labels.
    pub fn histogram_vec(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        // Or it would be found only by the first observation.
        assert!(buckets.is_sorted_by(|low, high| low < high), "the edges of {name} are in order");
        let mut opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        opts.common_opts.variable_labels = labels.iter().map(|&label| label.to_owned()).collect();
        let builder = HistogramBuilder::new(buckets, self.exemplars.add(name));
        self.register(MetricVec::create(MetricType::HISTOGRAM, builder, opts).expect(VALID))
    }

    /// All metrics in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// All metrics in OpenMetrics 1.0, with exemplars.
    pub fn render_openmetrics(&self) -> String {
        openmetrics::render(&self.registry.gather(), &self.exemplars)
    }
}
