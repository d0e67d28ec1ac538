//! The metrics of `docs/telemetry.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::read;

/// What the page says of a metric.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    /// Each label with its values, if they are a closed set.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
}

impl Metric {
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind.split([' ', ',']).any(|one| one == word)
    }
}

/// Every metric by its name; a histogram by the names of its series.
pub(crate) fn metrics() -> BTreeMap<String, Metric> {
    let page = read("docs/telemetry.md");
    let tables =
        page.split("\n## ").find(|part| part.starts_with("Metrics")).expect("the page lists metrics");
    let mut metrics = BTreeMap::new();
    for line in tables.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let metric = Metric { kind: cells[1].trim_matches(['|', ' ']).to_owned(), labels: labels(cells[2]) };
        for name in quoted(cells[0]).into_iter().map(|(_, name)| name) {
            let series: &[&str] = if metric.is("histogram") { &["_bucket", "_sum", "_count"] } else { &[""] };
            for suffix in series {
                metrics.insert(format!("{name}{suffix}"), metric.clone());
            }
        }
    }
    assert!(metrics.len() > 50, "the page was not understood");
    metrics
}

/// "`state`=`used`,`free`, `worker`": a label after a blank, a value after `=` or a comma alone.
fn labels(cell: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut last = String::new();
    for (before, name) in quoted(cell) {
        if before == "=" || before == "," {
            labels.entry(last.clone()).or_default().insert(name);
        } else {
            last.clone_from(&name);
            labels.entry(name).or_default();
        }
    }
    labels
}

/// What is between back quotes, each with the text before it.
fn quoted(cell: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = cell.split('`').collect();
    parts.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

#[test]
fn the_page_is_understood() {
    let metrics = metrics();
    let tasks = &metrics["distrack_queue_tasks"];
    assert!(tasks.is("gauge") && tasks.is("fleet-wide"));
    assert_eq!(tasks.labels["queue"].len(), 0);
    assert!(tasks.labels["state"].contains("ready"));
    assert!(metrics["distrack_task_wait_seconds_bucket"].is("*"));
    assert!(metrics.contains_key("process_open_fds"));
}
