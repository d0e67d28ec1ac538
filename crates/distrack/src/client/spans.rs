//! The spans that a Jaeger has of a task, if it answers: those of the task's way, and whatever its command did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::api;
use super::output::plain;

/// How long Jaeger may take: what it has is an extra.
const LIMIT: Duration = Duration::from_secs(2);
/// The most spans of one trace that are shown.
pub(super) const MOST: usize = 200;
const TASK: &str = "distrack.task.id";

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

/// The spans of a trace that belong to a task, in the order of a tree; none when there are none, or nobody says.
pub(super) async fn of(url: &str, trace: &str, task: &str) -> Vec<Span> {
    let Some(base) = url.strip_suffix(&format!("/trace/{trace}")) else { return Vec::new() };
    let Ok(url) = Url::parse(&format!("{base}/api/v3/traces/{trace}")) else { return Vec::new() };
    let asked = async {
        let response = api::http(&url).get(url).send().await.ok()?;
        response.error_for_status().ok()?.bytes().await.ok()
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Some(body)) => tree(read(&body), task),
        Ok(None) | Err(_) => Vec::new(),
    }
}

#[derive(Deserialize)]
struct Chunk {
    result: Resources,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resources {
    #[serde(default)]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    #[serde(default)]
    resource: Attributed,
    #[serde(default)]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    spans: Vec<Told>,
}

#[derive(Default, Deserialize)]
struct Attributed {
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: Value,
}

/// A span as OTLP has it in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    name: String,
    start_time_unix_nano: Nanos,
    end_time_unix_nano: Nanos,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    status: Value,
    #[serde(skip)]
    service: String,
}

/// A 64-bit number, which JSON has as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Nanos {
    Text(String),
    Number(i64),
}

impl Nanos {
    fn micros(&self) -> i64 {
        match self {
            Self::Text(text) => text.parse().unwrap_or(0) / 1000,
            Self::Number(nanos) => nanos / 1000,
        }
    }
}

impl Told {
    fn is_of(&self, task: &str) -> bool {
        text_of(&self.attributes, TASK) == Some(task)
    }

    fn failed(&self) -> bool {
        let code = self.status.get("code");
        code.and_then(Value::as_i64) == Some(2) || code.and_then(Value::as_str) == Some("STATUS_CODE_ERROR")
    }

    fn at(&self, depth: usize) -> Span {
        let from = self.start_time_unix_nano.micros();
        let service = self.service.strip_prefix("distrack-").unwrap_or(&self.service);
        let label = match service {
            "" => self.name.clone(),
            service => format!("{} ({service})", self.name),
        };
        Span {
            depth,
            label: plain(&label),
            from,
            lasted: (self.end_time_unix_nano.micros() - from).max(0),
            failed: self.failed(),
        }
    }
}

fn text_of<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.get("stringValue")?.as_str()
}

/// Reads an answer: one document, or several after each other.
fn read(body: &[u8]) -> Vec<Told> {
    let chunks = serde_json::Deserializer::from_slice(body).into_iter::<Chunk>();
    let mut spans = Vec::new();
    for resource in chunks.map_while(Result::ok).flat_map(|chunk| chunk.result.resource_spans) {
        let service = text_of(&resource.resource.attributes, "service.name").unwrap_or_default().to_owned();
        let told = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(told.map(|span| Told { service: service.clone(), ..span }));
    }
    spans
}

/// The spans of a task, those above them, and all below them, each after its parent.
fn tree(spans: Vec<Told>, task: &str) -> Vec<Span> {
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
    // Apart from each other: what is above one of the task's spans may be something that its command did, below
    // another.
    let (mut upwards, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    for span in by_id.values().copied().filter(|span| span.is_of(task)) {
        below(span, &children, &mut wanted);
        let mut above = by_id.get(span.parent_span_id.as_str());
        while let Some(parent) = above.filter(|parent| upwards.insert(parent.span_id.as_str())) {
            above = by_id.get(parent.parent_span_id.as_str());
        }
    }
    let mut listed = Vec::new();
    let mut left: Vec<(usize, &Told)> = Vec::new();
    push_sorted(&mut left, 0, roots);
    while let Some((depth, span)) = left.pop() {
        if upwards.contains(span.span_id.as_str()) || wanted.contains(span.span_id.as_str()) {
            listed.push(span.at(depth));
            push_sorted(&mut left, depth + 1, children.remove(span.span_id.as_str()).unwrap_or_default());
        }
    }
    listed
}

/// A span and all below it, except those of another task.
fn below<'a>(span: &'a Told, children: &BTreeMap<&str, Vec<&'a Told>>, wanted: &mut BTreeSet<&'a str>) {
    wanted.insert(&span.span_id);
    let mut left = vec![span];
    while let Some(span) = left.pop() {
        let below = children.get(span.span_id.as_str()).into_iter().flatten().copied();
        let foreign = below.filter(|child| text_of(&child.attributes, TASK).is_none());
        left.extend(foreign.filter(|child| wanted.insert(&child.span_id)));
    }
}

/// Puts spans onto a stack so that the one that began first is taken first.
fn push_sorted<'a>(left: &mut Vec<(usize, &'a Told)>, depth: usize, mut spans: Vec<&'a Told>) {
    spans.sort_by_key(|span| std::cmp::Reverse(span.start_time_unix_nano.micros()));
    left.extend(spans.into_iter().map(|span| (depth, span)));
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
