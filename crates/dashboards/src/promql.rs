//! The forms that our expressions take.

use crate::query::Query;

/// How fast a counter grows, over as long as Grafana finds right for the width of the panel.
pub(crate) fn rate(counter: &str, matchers: &str) -> String {
    format!("rate({}[$__rate_interval])", select(counter, matchers))
}

/// The same, of all its series together, apart by `labels`.
pub(crate) fn rate_by(labels: &str, counter: &str, matchers: &str) -> String {
    aggregate("sum", labels, &rate(counter, matchers))
}

/// Whether any coordinator looks at the fleet.
const SOMEBODY_LOOKS: &str = "count(instance:distrack_snapshot_timestamp_seconds:current)";

/// A series of the fleet, as the rules record it from the coordinators that looked lately: one that is cut off from the
/// database goes on showing what it saw last.
pub(crate) fn fleet(labels: &str, recorded: &str, matchers: &str) -> String {
    aggregate("max", labels, &select(recorded, matchers))
}

/// The mean of what a histogram observed.
pub(crate) fn mean(histogram: &str, matchers: &str) -> String {
    let sum = rate_by("", &format!("{histogram}_sum"), matchers);
    let count = rate_by("", &format!("{histogram}_count"), matchers);
    format!("{sum} / {count}")
}

/// A quantile of what a histogram observed, apart by `labels`.
pub(crate) fn quantile(which: &str, labels: &str, histogram: &str, matchers: &str) -> String {
    let labels = if labels.is_empty() { "le".to_owned() } else { format!("le, {labels}") };
    format!("histogram_quantile({which}, {})", rate_by(&labels, &format!("{histogram}_bucket"), matchers))
}

/// The three that we draw; the last has the traces.
pub(crate) fn quantiles(histogram: &str, matchers: &str) -> [Query; 3] {
    let line = |which: &str, legend| Query::series(quantile(which, "", histogram, matchers), legend);
    [line("0.5", "p50"), line("0.95", "p95"), line("0.99", "p99").with_exemplars()]
}

/// How many observations fell into each bucket.
pub(crate) fn buckets(histogram: &str, matchers: &str) -> Query {
    let buckets = select(&format!("{histogram}_bucket"), matchers);
    Query::buckets(format!("sum by (le) (increase({buckets}[$__rate_interval]))"))
}

/// The value if there is one, else 0: a counter that has not begun has counted nothing.
pub(crate) fn or_zero(expr: &str) -> String {
    format!("({expr}) or vector(0)")
}

/// The value of the fleet if there is one, else 0, but nothing if nobody looks.
pub(crate) fn or_zero_while_seen(expr: &str) -> String {
    format!("({expr}) or (vector(0) and on () {SOMEBODY_LOOKS})")
}

/// 0 while somebody looks and `expr` has no series at all: a line for the panel that shows it.
pub(crate) fn zero_without(expr: &str) -> String {
    format!("(vector(0) and on () {SOMEBODY_LOOKS}) unless on () {expr}")
}

fn aggregate(operator: &str, labels: &str, expr: &str) -> String {
    if labels.is_empty() {
        format!("{operator}({expr})")
    } else {
        format!("{operator} by ({labels}) ({expr})")
    }
}

fn select(metric: &str, matchers: &str) -> String {
    if matchers.is_empty() { metric.to_owned() } else { format!("{metric}{{{matchers}}}") }
}
