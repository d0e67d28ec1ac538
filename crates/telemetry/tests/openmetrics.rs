//! The metrics in OpenMetrics 1.0, read by a parser that is not ours.

use distrack_core::TraceId;
use distrack_telemetry::{Metrics, buckets};
use openmetrics_parser::{
    HistogramBucket, MetricFamily, MetricsExposition, OpenMetricsType, OpenMetricsValue,
};

type Page = MetricsExposition<OpenMetricsType, OpenMetricsValue>;

fn parsed(metrics: &Metrics) -> Page {
    let page = metrics.render_openmetrics();
    assert!(page.ends_with("\n# EOF\n"), "{page}");
    openmetrics_parser::openmetrics::parse_openmetrics(&page)
        .unwrap_or_else(|error| panic!("{error}\n{page}"))
}

fn family<'a>(page: &'a Page, name: &str) -> &'a MetricFamily<OpenMetricsType, OpenMetricsValue> {
    page.families.get(name).unwrap_or_else(|| panic!("{name} is among {:?}", page.families.keys()))
}

fn only_buckets(page: &Page, name: &str) -> Vec<HistogramBucket> {
    let samples: Vec<_> = family(page, name).iter_samples().collect();
    let [one] = samples.as_slice() else { panic!("one series, not {samples:?}") };
    let OpenMetricsValue::Histogram(histogram) = &one.value else { panic!("a histogram, not {one:?}") };
    histogram.buckets.clone()
}

#[test]
fn every_kind_of_metric_is_read_as_what_it_is() {
    let metrics = Metrics::new("worker");
    metrics.counter("test_things_total", "Things.").inc_by(3);
    metrics.counter_vec("test_kinds_total", "Kinds.", &["kind"]).with_label_values(&["a"]).inc();
    metrics
        .float_counter_vec("test_cpu_seconds_total", "Time.", &["mode"])
        .with_label_values(&["user"])
        .inc_by(0.25);
    metrics.gauge("test_level", "A level.").set(-1.5);
    metrics.gauge_vec("test_levels", "Levels.", &["of"]).with_label_values(&["x"]).set(f64::INFINITY);
    metrics.int_gauge("test_slots", "Slots.").set(7);
    metrics.int_gauge_vec("test_states", "States.", &["state"]).with_label_values(&["up"]).set(1);
    metrics.histogram("test_took_seconds", "Took.", &buckets::DB).observe(0.2);
    metrics
        .histogram_vec("test_size_bytes", "Size.", &["of"], &buckets::BYTES)
        .with_label_values(&["x"])
        .observe(5e6);

    let page = parsed(&metrics);
    let kinds = [
        ("test_things", OpenMetricsType::Counter),
        ("test_kinds", OpenMetricsType::Counter),
        ("test_cpu_seconds", OpenMetricsType::Counter),
        ("test_level", OpenMetricsType::Gauge),
        ("test_levels", OpenMetricsType::Gauge),
        ("test_slots", OpenMetricsType::Gauge),
        ("test_states", OpenMetricsType::Gauge),
        ("test_took_seconds", OpenMetricsType::Histogram),
        ("test_size_bytes", OpenMetricsType::Histogram),
        ("distrack_build", OpenMetricsType::Info),
        ("process_start_time_seconds", OpenMetricsType::Gauge),
        ("process_cpu_seconds", OpenMetricsType::Counter),
    ];
    for (name, kind) in kinds {
        assert_eq!(family(&page, name).family_type, kind, "{name}");
    }
    let build = family(&page, "distrack_build").iter_samples().next().unwrap().get_labelset().unwrap();
    assert_eq!(build.get_label_value("role"), Some("worker"));
}

#[test]
fn a_traced_observation_is_the_exemplar_of_its_bucket_and_of_no_other() {
    let metrics = Metrics::new("scheduler");
    let took = metrics.histogram("test_took_seconds", "Took.", &[0.1, 1.0]);
    let (early, late, slow) = (TraceId::random(), TraceId::random(), TraceId::random());
    took.observe(0.01);
    took.observe_traced(0.5, Some(early));
    // An edge belongs to the bucket below it.
    took.observe_traced(1.0, Some(late));
    took.observe_traced(99.0, Some(slow));
    took.observe(0.6);

    let buckets = only_buckets(&parsed(&metrics), "test_took_seconds");
    let said: Vec<_> = buckets
        .iter()
        .map(|bucket| {
            let exemplar = bucket.exemplar.as_ref();
            let trace = exemplar.map(|exemplar| (exemplar.labels["trace_id"].clone(), exemplar.id));
            (bucket.upper_bound, bucket.count.as_i64(), trace)
        })
        .collect();
    let expected = [
        (0.1, Some(1), None),
        (1.0, Some(4), Some((late.to_string(), 1.0))),
        (f64::INFINITY, Some(5), Some((slow.to_string(), 99.0))),
    ];
    assert_eq!(said, expected);
    let exemplar = buckets[1].exemplar.as_ref().unwrap();
    assert!(exemplar.timestamp.is_some_and(|at| at > 1_700_000_000.0), "{exemplar:?}");
}

#[test]
fn exemplars_of_series_of_one_family_are_kept_apart() {
    let metrics = Metrics::new("coordinator");
    let waits = metrics.histogram_vec("test_wait_seconds", "Wait.", &["queue", "by"], &[1.0]);
    let (etl, mail) = (TraceId::random(), TraceId::random());
    waits.with_label_values(&["etl", "x"]).observe_traced(0.5, Some(etl));
    waits.with_label_values(&["mail", "x"]).observe_traced(0.5, Some(mail));
    waits.with_label_values(&["none", "x"]).observe(0.5);

    let page = metrics.render_openmetrics();
    let line = |queue: &str| {
        let start = format!("test_wait_seconds_bucket{{by=\"x\",queue=\"{queue}\",le=\"1.0\"}} 1");
        let line = page.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{start} is in {page}")).to_owned()
    };
    assert!(line("etl").contains(&format!(" # {{trace_id=\"{etl}\"}} 0.5 ")), "{page}");
    assert!(line("mail").contains(&format!(" # {{trace_id=\"{mail}\"}} 0.5 ")), "{page}");
    assert_eq!(line("none"), "");
    parsed(&metrics);
}

#[test]
fn whatever_a_label_or_a_help_holds_is_read_back() {
    let role = "a \"quoted\\\" role\nin two lines";
    let help = "Says \"so\", with a \\ and\ntwo lines.";
    let metrics = Metrics::new(role);
    metrics.counter("test_things_total", help).inc();
    let page = parsed(&metrics);
    let build = family(&page, "distrack_build").iter_samples().next().unwrap().get_labelset().unwrap();
    assert_eq!(build.get_label_value("role"), Some(role));
    // The parser takes help as it stands.
    let written = "# HELP test_things Says \\\"so\\\", with a \\\\ and\\ntwo lines.\n";
    assert!(metrics.render_openmetrics().contains(written), "{}", metrics.render_openmetrics());
}

#[test]
fn both_formats_show_the_same_counts() {
    let metrics = Metrics::new("worker");
    let took = metrics.histogram_vec("test_took_seconds", "Took.", &["of"], &buckets::RUN);
    for (of, seconds) in [("a", 0.02), ("a", 4.0), ("b", 1e6)] {
        took.with_label_values(&[of]).observe_traced(seconds, Some(TraceId::random()));
    }
    // What is no number is not counted, or the sum would be none either.
    took.with_label_values(&["a"]).observe(f64::NAN);
    let text = metrics.render();
    let open = metrics.render_openmetrics();
    for line in ["test_took_seconds_count{of=\"a\"} 2", "test_took_seconds_sum{of=\"a\"} 4.02"] {
        assert!(text.lines().any(|one| one == line), "{line} is in {text}");
        assert!(open.lines().any(|one| one == line), "{line} is in {open}");
    }
    assert!(!text.contains("trace_id"), "{text}");
    let page = parsed(&metrics);
    let counts: Vec<_> =
        family(&page, "test_took_seconds").iter_samples().map(|one| one.value.clone()).collect();
    let said = |counted: u64, seconds: f64| {
        counts.iter().any(|value| {
            let OpenMetricsValue::Histogram(one) = value else { return false };
            one.count == Some(counted) && one.sum.as_ref().is_some_and(|sum| sum.as_f64() == seconds)
        })
    };
    assert!(said(2, 4.02) && said(1, 1e6), "{counts:?}");
}

#[test]
fn a_series_that_went_and_came_again_has_only_new_exemplars() {
    let metrics = Metrics::new("worker");
    let took = metrics.histogram_vec("test_took_seconds", "Took.", &["of"], &[1.0]);
    took.with_label_values(&["a"]).observe_traced(0.5, Some(TraceId::random()));
    took.remove_label_values(&["a"]).unwrap();
    took.with_label_values(&["a"]).observe(0.5);
    assert!(!metrics.render_openmetrics().contains("trace_id"));
}

#[test]
#[should_panic(expected = "in order")]
fn edges_out_of_order_are_found_by_the_first_start() {
    Metrics::new("worker").histogram_vec("test_took_seconds", "Took.", &["of"], &[1.0, 0.5]);
}
