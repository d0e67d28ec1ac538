//! Spans as a Jaeger tells them: OTLP in JSON, as far as it is needed here.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Span;
use crate::client::output::plain;

const TASK: &str = "distrack.task.id";

#[derive(Deserialize)]
struct Chunk {
    result: Option<Resources>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    #[serde(default)]
    http_code: u16,
    #[serde(default)]
    message: String,
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
    spans: Vec<Readable>,
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

/// A span, or something else in its place, which is no reason to lose the others.
#[derive(Deserialize)]
#[serde(untagged)]
enum Readable {
    Span(Box<Told>),
    Odd(IgnoredAny),
}

/// A span.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) span_id: String,
    #[serde(default)]
    pub(super) parent_span_id: String,
    #[serde(default)]
    name: String,
    /// Left out where it is 0, as JSON of protobuf has it; so is the end.
    #[serde(default)]
    start_time_unix_nano: Nanos,
    #[serde(default)]
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

impl Default for Nanos {
    fn default() -> Self {
        Self::Number(0)
    }
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
    /// When it began, in microseconds since the epoch.
    pub(super) fn from(&self) -> i64 {
        self.start_time_unix_nano.micros()
    }

    /// Whether it says when it began. Where it does not, it has no place on an axis.
    pub(super) fn has_start(&self) -> bool {
        self.from() > 0
    }

    /// The task that it says it belongs to.
    pub(super) fn task(&self) -> Option<&str> {
        text_of(&self.attributes, TASK)
    }

    /// It, below `depth` others.
    pub(super) fn at(&self, depth: usize) -> Span {
        let from = self.from();
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

    fn failed(&self) -> bool {
        let code = self.status.get("code");
        code.and_then(Value::as_i64) == Some(2) || code.and_then(Value::as_str) == Some("STATUS_CODE_ERROR")
    }
}

fn text_of<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.get("stringValue")?.as_str()
}

/// Reads an answer: one document, or several after each other. What came before something that is none is kept;
/// why there is not more is said beside it.
pub(super) fn read(body: &[u8]) -> (Vec<Told>, Option<String>) {
    let mut spans = Vec::new();
    for chunk in serde_json::Deserializer::from_slice(body).into_iter::<Chunk>() {
        let resources = match chunk {
            Ok(Chunk { result: Some(resources), .. }) => resources.resource_spans,
            // It has no such trace, which it may say in either way.
            Ok(Chunk { error: Some(Refusal { http_code: 404, .. }), .. }) => continue,
            Ok(Chunk { error: Some(refusal), .. }) => return (spans, Some(plain(&refusal.message))),
            Ok(Chunk { result: None, error: None }) => {
                return (spans, Some("its answer is not one of a Jaeger".to_owned()));
            }
            Err(error) => return (spans, Some(format!("its answer cannot be read: {error}"))),
        };
        for resource in resources {
            let service = text_of(&resource.resource.attributes, "service.name").unwrap_or_default();
            for readable in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                if let Readable::Span(told) = readable {
                    spans.push(Told { service: service.to_owned(), ..*told });
                }
            }
        }
    }
    (spans, None)
}
