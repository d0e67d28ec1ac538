//! The spans that a Jaeger has of a task, if it answers: those of the task's way, and whatever its command did.

mod jaeger;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use distrack_core::why::words;
use told::Told;

use super::output::plain;

/// The most spans of one trace that are shown.
pub(super) const MOST: usize = 200;

/// What the spans of a trace may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the question to spans that can be drawn.
    pub(super) time: Duration,
    /// The answer.
    pub(super) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(2), bytes: 64 * 1024 * 1024 }
    }
}

/// A span, below its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// How many spans it is below.
    pub(super) depth: usize,
    /// Its name, and the service that made it.
    pub(super) label: String,
    /// Microseconds since the epoch.
    pub(super) from: i64,
    /// Microseconds.
    pub(super) lasted: i64,
    /// Whether it failed.
    pub(super) failed: bool,
}

/// What a Jaeger gave of a trace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The spans of a task, in the order of a tree.
    pub(super) spans: Vec<Span>,
    /// Why there may be more.
    pub(super) missing: Option<Missing>,
}

/// Why a Jaeger did not give what it may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    jaeger: String,
    why: String,
}

impl Missing {
    /// Says it of these traces.
    pub(super) fn of(&self, traces: &[String]) -> String {
        let traces = format!("trace{} {}", if traces.len() == 1 { "" } else { "s" }, traces.join(", "));
        format!(
            "the Jaeger at {} did not give the spans of {}{}",
            plain(&self.jaeger),
            plain(&traces),
            self.why
        )
    }
}

/// The spans of a trace that belong to a task; none when the Jaeger that `url` leads to has no such trace.
pub(super) async fn of(url: &str, trace: &str, task: &str, limits: Limits) -> Found {
    let Some(base) = url.strip_suffix(&format!("/trace/{trace}")) else { return Found::default() };
    let asked = async {
        let Some(body) = jaeger::ask(base, trace, limits.bytes).await? else { return Ok((Vec::new(), None)) };
        let task = task.to_owned();
        // On a thread of its own, so that the limit holds for a large answer as well.
        let read = tokio::task::spawn_blocking(move || {
            let (told, unread) = told::read(&body);
            (tree(&told, &task), unread)
        });
        read.await.map_err(|error| error.to_string())
    };
    let (spans, why) = match tokio::time::timeout(limits.time, asked).await {
        Ok(Ok((spans, unread))) => (spans, unread.map(|why| format!(": {why}"))),
        Ok(Err(why)) => (Vec::new(), Some(format!(": {why}"))),
        Err(_) => (Vec::new(), Some(format!(" within {}", words::span(limits.time)))),
    };
    Found { spans, missing: why.map(|why| Missing { jaeger: base.to_owned(), why }) }
}

/// The spans of a task, those above them, and all below them, each after its parent.
fn tree(spans: &[Told], task: &str) -> Vec<Span> {
    let by_id: BTreeMap<&str, &Told> = spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    let mut children: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    let mut roots = Vec::new();
    for span in by_id.values().copied() {
        match by_id.get(span.parent_span_id.as_str()) {
            Some(parent) if parent.span_id != span.span_id => {
                children.entry(&parent.span_id).or_default().push(span)
            }
            _ => roots.push(span),
        }
    }
    // Apart from each other: what is above one of the task's spans may be something that its command did, below another.
    let (mut above, mut below) = (BTreeSet::new(), BTreeSet::new());
    for span in by_id.values().copied().filter(|span| span.task() == Some(task)) {
        add_below(span, &children, &mut below);
        let mut next = by_id.get(span.parent_span_id.as_str());
        while let Some(parent) = next.filter(|parent| above.insert(parent.span_id.as_str())) {
            next = by_id.get(parent.parent_span_id.as_str());
        }
    }
    let mut listed = Vec::new();
    let mut left: Vec<(usize, &Told)> = Vec::new();
    push_sorted(&mut left, 0, roots);
    while let Some((depth, span)) = left.pop() {
        let id = span.span_id.as_str();
        if above.contains(id) || below.contains(id) {
            // One without a place on the axis leaves its own to those below it.
            listed.extend(span.has_start().then(|| span.at(depth)));
            let depth = depth + usize::from(span.has_start());
            push_sorted(&mut left, depth, children.remove(id).unwrap_or_default());
        }
    }
    listed
}

/// Adds a span and all below it, except those of another task, and those of the same one, which are asked for themselves.
fn add_below<'a>(span: &'a Told, children: &BTreeMap<&str, Vec<&'a Told>>, known: &mut BTreeSet<&'a str>) {
    known.insert(&span.span_id);
    let mut left = vec![span];
    while let Some(span) = left.pop() {
        let below = children.get(span.span_id.as_str()).into_iter().flatten().copied();
        let of_no_task = below.filter(|child| child.task().is_none());
        left.extend(of_no_task.filter(|child| known.insert(&child.span_id)));
    }
}

/// Puts spans onto a stack so that the one that began first is taken first.
fn push_sorted<'a>(left: &mut Vec<(usize, &'a Told)>, depth: usize, mut spans: Vec<&'a Told>) {
    spans.sort_by_key(|span| std::cmp::Reverse(span.from()));
    left.extend(spans.into_iter().map(|span| (depth, span)));
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
