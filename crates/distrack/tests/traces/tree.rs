//! Spans of one task as a tree that a test can state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use distrack_testkit::{Api, Collector, ExportedSpan, eventually};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// The spans of a task, once there are `count` of them.
pub(crate) async fn spans_of(collector: &Collector, task: &str, count: usize) -> Vec<ExportedSpan> {
    eventually(LIMIT, "the spans of the task", || async {
        let spans: Vec<_> = collector.spans().into_iter().filter(|span| is_of(span, task)).collect();
        if spans.len() >= count { Ok(spans) } else { Err(draw(&spans)) }
    })
    .await
}

fn is_of(span: &ExportedSpan, task: &str) -> bool {
    // Whoever looks at a task is told of it too, and is no part of its way.
    !span.name.starts_with("GET ") && span.attributes.get("distrack.task.id").is_some_and(|id| id == task)
}

/// One line for each span: its name, kind and service, what failed, its links, and the spans below it.
///
/// `*` is before one whose parent is not among them.
pub(crate) fn draw(spans: &[ExportedSpan]) -> String {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let mut text = String::new();
    for root in spans.iter().filter(|span| !ids.contains(span.parent_span_id.as_str())) {
        if !root.parent_span_id.is_empty() {
            text.push('*');
        }
        branch(spans, root, 0, &mut text);
    }
    text
}

fn branch(spans: &[ExportedSpan], span: &ExportedSpan, depth: usize, text: &mut String) {
    let service = span.service.trim_start_matches("distrack-");
    let mut line = format!("{}{} {} {service}", "  ".repeat(depth), span.name, span.kind);
    if let Some(phase) = span.attributes.get("distrack.queued.phase") {
        line += &format!(" {phase}");
    }
    if span.is_error {
        line += &format!(" error={}", span.attributes.get("error.type").map_or("?", String::as_str));
    }
    for (.., role) in &span.links {
        line += &format!(" ->{role}");
    }
    text.push_str(&line);
    text.push('\n');
    let below = spans.iter().filter(|other| other.parent_span_id == span.span_id);
    // By time, and those that begin together by name.
    let mut below: Vec<_> = below.collect();
    below.sort_by_key(|span| (rank(span), span.start_ns));
    for other in below {
        branch(spans, other, depth + 1, text);
    }
}

/// The order in which a task's spans happen, whatever the clocks' last microseconds say.
fn rank(span: &ExportedSpan) -> usize {
    const ORDER: [&str; 4] = ["schedule", "queued", "dispatch", "execute"];
    let first = span.name.split(' ').next().unwrap_or_default();
    ORDER.iter().position(|name| *name == first).unwrap_or(if first == "finish" { 9 } else { 5 })
}

/// The keys of attributes, by the first word of the span's name.
pub(crate) fn keys(spans: &[ExportedSpan]) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in spans {
        let name = span.name.split(' ').next().unwrap_or_default().to_owned();
        keys.entry(name).or_default().extend(span.attributes.keys().cloned());
    }
    keys
}

/// Submits a task and waits for its end.
pub(crate) async fn run(api: &Api, task: &Value) -> String {
    let accepted = api.submit(task).await.expect("it is accepted");
    let id = accepted["task_id"].as_str().expect("it has an id").to_owned();
    api.wait_terminal(&id, Duration::from_secs(60)).await;
    id
}
