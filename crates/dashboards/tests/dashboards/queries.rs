//! Queries ask for metrics that exist, and add up what may be added up.

use std::collections::BTreeSet;

use distrack_dashboards::{Annotation, dashboards};

use crate::catalogue::{self, Metric};
use crate::promql::{self, Selector};
use crate::{list, panels, rules, text};

/// Every expression of every dashboard, under the name that a failure shows.
fn exprs() -> Vec<(String, String)> {
    let of_panels = panels().into_iter().flat_map(|(name, panel)| {
        let exprs = list(&panel["targets"]).iter().map(|target| text(&target["expr"]).to_owned());
        exprs.map(|expr| (name.clone(), expr)).collect::<Vec<_>>()
    });
    let marks = Annotation::all();
    let of_marks = marks.iter().map(|one| (one.name().to_owned(), one.query().expr().to_owned()));
    of_panels.chain(of_marks).collect()
}

/// Each selector of each expression that is of a metric of ours.
fn of_ours(mut check: impl FnMut(&str, &Selector, &Metric)) {
    let metrics = catalogue::metrics();
    for (name, expr) in exprs() {
        for selector in promql::read(&expr).selectors {
            if let Some(metric) = metrics.get(&selector.metric) {
                check(&name, &selector, metric);
            }
        }
    }
}

#[test]
fn every_metric_asked_for_is_in_the_catalogue_or_recorded_by_a_rule() {
    let metrics = catalogue::metrics();
    let recorded: BTreeSet<String> =
        rules::all().into_iter().filter(|rule| !rule.is_alert).map(|rule| rule.name).collect();
    for (name, expr) in exprs() {
        for selector in promql::read(&expr).selectors {
            let metric = &selector.metric;
            let known = metrics.contains_key(metric) || recorded.contains(metric) || metric == "ALERTS";
            assert!(known, "{name}: nobody says {metric}");
        }
    }
}

#[test]
fn every_label_asked_for_is_one_that_the_metric_has_with_a_value_that_it_takes() {
    of_ours(|name, selector, metric| {
        for matcher in selector.matchers.iter().filter(|one| one.label != "instance" && one.label != "job") {
            let values = metric.labels.get(&matcher.label);
            let values =
                values.unwrap_or_else(|| panic!("{name}: {} has no {}", selector.metric, matcher.label));
            let literal = !matcher.value.contains('$') && !values.is_empty();
            for value in matcher.value.split('|').filter(|_| literal) {
                assert!(values.contains(value), "{name}: {} is never {value}", matcher.label);
            }
            assert_eq!(matcher.value.contains(['|', '$']), matcher.operator.ends_with('~'), "{name}");
        }
    });
}

#[test]
fn every_label_grouped_by_is_one_that_a_metric_of_the_expression_has() {
    let metrics = catalogue::metrics();
    let rules = rules::all();
    for (name, expr) in exprs() {
        let read = promql::read(&expr);
        let mut labels: BTreeSet<String> =
            ["le", "instance", "job", "alertname"].into_iter().map(str::to_owned).collect();
        for selector in &read.selectors {
            let metric = metrics.get(&selector.metric);
            labels.extend(metric.iter().flat_map(|metric| metric.labels.keys().cloned()));
            let rule = rules.iter().find(|rule| rule.name == selector.metric);
            labels.extend(rule.iter().flat_map(|rule| rule.labels()));
        }
        for label in &read.groupings {
            assert!(labels.contains(label), "{name}: nothing in it has {label}");
        }
    }
}

#[test]
fn the_fleet_is_shown_as_the_rules_record_it_and_never_as_one_coordinator_saw_it_last() {
    of_ours(|name, selector, metric| assert!(!metric.is("fleet-wide"), "{name}: {}", selector.metric));
    let metrics = catalogue::metrics();
    let of_the_fleet = |recorded: &str| {
        let gauge = recorded.split(':').nth(1).and_then(|gauge| metrics.get(gauge));
        gauge.is_some_and(|gauge| gauge.is("fleet-wide"))
    };
    let selectors = exprs().into_iter().flat_map(|(_, expr)| promql::read(&expr).selectors);
    let seen = selectors.filter(|selector| of_the_fleet(&selector.metric)).count();
    assert!(seen > 5, "the catalogue or the dashboards were not understood");
}

#[test]
fn of_several_instants_the_oldest_counts() {
    let mut seen = 0;
    of_ours(|name, selector, _| {
        if selector.metric == "distrack_canary_last_success_timestamp_seconds" {
            seen += 1;
            assert_eq!(selector.aggregation(), Some("min"), "{name}: one scheduler's canary hides another's");
        }
    });
    assert!(seen > 0, "the canary is shown");
}

/// Queues without tasks have no series.
#[test]
fn a_fleet_that_has_nothing_to_do_has_a_lag_of_zero_if_somebody_looks() {
    let mut seen = 0;
    for (name, panel) in panels().into_iter().filter(|(_, panel)| panel["type"] != "table") {
        let exprs: Vec<&str> = list(&panel["targets"]).iter().map(|target| text(&target["expr"])).collect();
        if exprs.iter().any(|expr| expr.contains("distrack_queue_lag_seconds")) {
            seen += 1;
            let zero = "(vector(0) and on () count(instance:distrack_snapshot_timestamp_seconds:current))";
            assert!(exprs.iter().any(|expr| expr.contains(zero)), "{name}: looks broken while nothing waits");
        }
    }
    assert!(seen >= 3, "lag is shown");
}

#[test]
fn counters_are_read_as_rates_and_gauges_are_not() {
    of_ours(|name, selector, metric| {
        let rate = selector.within.iter().any(|one| one == "rate" || one == "increase");
        let counts = metric.is("counter")
            || metric.is("histogram")
            || selector.metric.starts_with("process_") && selector.metric.ends_with("_total");
        assert_eq!(rate, counts, "{name}: {}", selector.metric);
        let changes = selector.within.iter().any(|one| one == "changes");
        assert_eq!(selector.range.is_some(), rate || changes, "{name}: {}", selector.metric);
    });
}

#[test]
fn every_range_is_as_long_as_grafana_finds_right() {
    for (name, expr) in exprs() {
        for selector in promql::read(&expr).selectors {
            let right = selector.range.is_none() || selector.range.as_deref() == Some("$__rate_interval");
            assert!(right, "{name}: {:?}", selector.range);
        }
    }
}

#[test]
fn traces_are_asked_for_where_there_are_some() {
    let metrics = catalogue::metrics();
    let mut seen = 0;
    for (name, panel) in panels() {
        for target in list(&panel["targets"]).iter().filter(|target| target["exemplar"] == true) {
            seen += 1;
            for selector in promql::read(text(&target["expr"])).selectors {
                let metric = metrics.get(&selector.metric).expect("it is in the catalogue");
                assert!(metric.is("*"), "{name}: {} has no exemplars", selector.metric);
            }
        }
    }
    assert!(seen > 5, "hardly any panel leads to traces");
}

#[test]
fn the_list_of_queries_is_for_a_prometheus() {
    for dashboard in dashboards() {
        for query in dashboard.panels().flat_map(distrack_dashboards::Panel::queries) {
            let resolved = query.resolved();
            assert!(!resolved.contains(['$', '\t', '\n']), "{resolved}");
        }
    }
}
