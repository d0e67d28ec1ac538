//! A span that has ended, as it is recorded.

use std::borrow::Cow;
use std::time::SystemTime;

use distrack_core::{SpanId, TraceContext, TraceId};
use opentelemetry::trace::SpanKind;
use opentelemetry::{KeyValue, Value};

use crate::names;

/// The most links of one span: more would be cut by the SDK.
const MAX_LINKS: usize = 128;

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    pub(super) context: TraceContext,
    pub(super) parent: Option<TraceContext>,
    pub(super) links: Vec<LinkTo>,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) error: Option<&'static str>,
    pub(super) message: Option<String>,
}

/// Where a link leads, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTo {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) sampled: bool,
    pub(super) role: &'static str,
}

impl LinkTo {
    /// A link to a context, as `role`.
    pub fn context(context: &TraceContext, role: &'static str) -> Self {
        Self { sampled: context.is_sampled(), ..Self::ids(context.trace_id, context.span_id, true, role) }
    }

    /// A link to a span of which only the ids are known, and whether its trace is sampled.
    pub fn ids(trace_id: TraceId, span_id: SpanId, sampled: bool, role: &'static str) -> Self {
        Self { trace_id, span_id, sampled, role }
    }
}

impl Span {
    /// A span with nothing above it.
    pub fn new(
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        context: &TraceContext,
        (start, end): (impl Into<SystemTime>, impl Into<SystemTime>),
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            context: context.clone(),
            parent: None,
            links: Vec::new(),
            start: start.into(),
            end: end.into(),
            attributes: Vec::with_capacity(12),
            error: None,
            message: None,
        }
    }

    /// Below `parent`, which is of the same trace.
    #[must_use]
    pub fn below(mut self, parent: &TraceContext) -> Self {
        self.parent = Some(parent.clone());
        self
    }

    /// With links, of which the first 128 are kept.
    #[must_use]
    pub fn linked(mut self, links: impl IntoIterator<Item = LinkTo>) -> Self {
        let room = MAX_LINKS.saturating_sub(self.links.len());
        self.links.extend(links.into_iter().take(room));
        self
    }

    /// With an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(name, value));
        self
    }

    /// With an attribute, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// As a failure of this `error.type`, if it is one.
    #[must_use]
    pub fn failed(mut self, error: Option<&'static str>) -> Self {
        self.error = error;
        self
    }

    /// Failed as `message` says, for a person. Never a command, its output or its environment.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// As an operation of messaging: the message is a task.
    #[must_use]
    pub fn messaging(self, operation: &'static str, kind: &'static str, queue: Option<&str>) -> Self {
        self.with(names::MESSAGING_SYSTEM, "distrack")
            .with(names::MESSAGING_OPERATION_NAME, operation)
            .with(names::MESSAGING_OPERATION_TYPE, kind)
            .with_some(names::MESSAGING_DESTINATION_NAME, queue.map(str::to_owned))
    }
}
