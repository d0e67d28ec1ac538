//! Metrics in OpenMetrics 1.0: the text format that can carry exemplars.

use std::fmt::Write;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use crate::exemplars::{Exemplar, Families};

/// What `Content-Type` says of it.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes families out. `exemplars` has those of our histograms.
pub(crate) fn render(families: &[MetricFamily], exemplars: &Families) -> String {
    let mut page = Page { out: String::with_capacity(16 * 1024) };
    for family in families.iter().filter(|family| !family.get_metric().is_empty()) {
        page.family(family, exemplars);
    }
    page.out.push_str("# EOF\n");
    page.out
}

/// A family is named without the suffix that its type gives to its samples.
fn kind(family: &MetricFamily) -> (&str, &'static str) {
    let name = family.name();
    match family.get_field_type() {
        MetricType::COUNTER => (name.strip_suffix("_total").unwrap_or(name), "counter"),
        MetricType::GAUGE => name.strip_suffix("_info").map_or((name, "gauge"), |name| (name, "info")),
        MetricType::HISTOGRAM => (name, "histogram"),
        // The crate can make neither.
        MetricType::SUMMARY | MetricType::UNTYPED => (name, "unknown"),
    }
}

struct Page {
    out: String,
}

impl Page {
    fn family(&mut self, family: &MetricFamily, exemplars: &Families) {
        let (name, kind) = kind(family);
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        let _ = write!(self.out, "# HELP {name} ");
        self.escaped(family.help());
        self.out.push('\n');
        let series = exemplars.of(family.name());
        for metric in family.get_metric() {
            let of_series = series.of(metric);
            match family.get_field_type() {
                MetricType::COUNTER => {
                    self.sample(name, "_total", metric, metric.get_counter().get_value());
                }
                MetricType::GAUGE => {
                    self.sample(family.name(), "", metric, metric.get_gauge().get_value());
                }
                MetricType::HISTOGRAM => {
                    self.histogram(name, metric, |bucket| of_series.as_ref()?.latest(bucket))
                }
                MetricType::SUMMARY | MetricType::UNTYPED => {}
            }
        }
    }

    fn histogram(&mut self, name: &str, metric: &Metric, latest: impl Fn(usize) -> Option<Exemplar>) {
        let histogram = metric.get_histogram();
        let count = histogram.get_sample_count();
        let edges =
            histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        let mut below = 0;
        for (bucket, (edge, upto)) in edges.chain([(f64::INFINITY, count)]).enumerate() {
            self.start(name, "_bucket", metric, Some(edge));
            let _ = write!(self.out, "{upto}");
            // One that came after the counts were read waits for the next time.
            if let Some(exemplar) = latest(bucket).filter(|_| upto > below) {
                self.exemplar(&exemplar);
            }
            self.out.push('\n');
            below = upto;
        }
        self.start(name, "_count", metric, None);
        let _ = writeln!(self.out, "{count}");
        self.sample(name, "_sum", metric, histogram.get_sample_sum());
    }

    fn sample(&mut self, name: &str, suffix: &str, metric: &Metric, value: f64) {
        self.start(name, suffix, metric, None);
        self.number(value);
        self.out.push('\n');
    }

    /// All of a sample before its value. A bucket has its upper edge.
    fn start(&mut self, name: &str, suffix: &str, metric: &Metric, edge: Option<f64>) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        let mut opening = '{';
        for pair in metric.get_label() {
            self.out.push(std::mem::replace(&mut opening, ','));
            self.label(pair);
        }
        if let Some(edge) = edge {
            self.out.push(std::mem::replace(&mut opening, ','));
            let _ = write!(self.out, "le=\"{}\"", canonical(edge));
        }
        if opening == ',' {
            self.out.push('}');
        }
        self.out.push(' ');
    }

    fn label(&mut self, pair: &LabelPair) {
        let _ = write!(self.out, "{}=\"", pair.name());
        self.escaped(pair.value());
        self.out.push('"');
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        let _ = write!(self.out, " # {{trace_id=\"{}\"}} ", exemplar.trace);
        self.number(exemplar.value);
        let _ = write!(self.out, " {}.{:03}", exemplar.at.as_secs(), exemplar.at.subsec_millis());
    }

    fn number(&mut self, value: f64) {
        let _ = match value {
            f64::INFINITY => write!(self.out, "+Inf"),
            f64::NEG_INFINITY => write!(self.out, "-Inf"),
            value => write!(self.out, "{value}"),
        };
    }

    /// The same three escapes for help and for the values of labels.
    fn escaped(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                letter => self.out.push(letter),
            }
        }
    }
}

/// A number as the specification writes it in `le`: as C prints it with `%g` and the fewest digits that tell it,
/// never without a point or an exponent. Other series would come of another spelling.
fn canonical(value: f64) -> String {
    if value == f64::INFINITY {
        return "+Inf".to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn an_edge_is_written_as_prometheus_writes_it() {
        let edges = [
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.0005, "0.0005"),
            (1.0, "1.0"),
            (86_400.0, "86400.0"),
            (999_999.0, "999999.0"),
            (1e6, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (17_179_869_184.0, "1.7179869184e+10"),
            (1.5e21, "1.5e+21"),
            (f64::INFINITY, "+Inf"),
        ];
        for (edge, written) in edges {
            assert_eq!(canonical(edge), written);
        }
    }
}
