//! A registry of one service's metrics. Not global: `distrack up` runs three services in one process.

use prometheus::core::Collector;
use prometheus::{Gauge, Opts, Registry, TextEncoder};

/// The metrics of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// A registry with the process's own figures and `distrack_build_info`.
    pub fn new(role: &str) -> Self {
        let metrics = Self { registry: Registry::new() };
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
        let build = metrics.register(build.expect("the options are constant and valid"));
        build.set(1.0);
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

    /// All metrics in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}
