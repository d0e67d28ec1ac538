//! When a service's certificate expires, as a metric: read when it is asked for, so that it is that of the certificate in use.

use std::sync::Arc;

use distrack_telemetry::Metrics;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Opts};

/// A gauge that asks each time.
#[derive(Clone)]
struct Expiry {
    gauge: Gauge,
    expires: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Collector for Expiry {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Instants of our time are whole numbers to a float.
        #[expect(clippy::cast_precision_loss, reason = "it is exact for 285 million years")]
        self.gauge.set((self.expires)() as f64);
        self.gauge.collect()
    }
}

/// Shows when a service's certificate expires, in seconds since 1970.
pub(crate) fn show_expiry(metrics: &Metrics, expires: impl Fn() -> i64 + Send + Sync + 'static) {
    let opts = Opts::new(
        "distrack_tls_certificate_expiry_timestamp_seconds",
        "When the certificate in use expires, in seconds since 1970.",
    );
    let gauge = Gauge::with_opts(opts).expect("name and help are constant and valid");
    metrics.register(Expiry { gauge, expires: Arc::new(expires) });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn the_metric_is_of_the_certificate_of_now() {
        let metrics = Metrics::new("worker");
        let expires = Arc::new(AtomicI64::new(1_900_000_000));
        let asked = Arc::clone(&expires);
        show_expiry(&metrics, move || asked.load(Ordering::Relaxed));
        let line = |seconds: &str| format!("\ndistrack_tls_certificate_expiry_timestamp_seconds {seconds}\n");
        assert!(metrics.render().contains(&line("1900000000")), "{}", metrics.render());
        expires.store(2_000_000_000, Ordering::Relaxed);
        assert!(metrics.render().contains(&line("2000000000")), "{}", metrics.render());
    }
}
