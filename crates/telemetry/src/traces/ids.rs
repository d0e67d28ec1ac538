//! Span ids that are known before their span is: the store hands them out with a claim, and a command hears its own
//! before it starts.

use std::cell::Cell;

use distrack_core::TraceContext;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Builds one span under the ids of `context`.
pub(super) fn with<T>(context: &TraceContext, build: impl FnOnce() -> T) -> T {
    NEXT.set(Some((super::trace_id(context.trace_id), super::span_id(context.span_id))));
    let built = build();
    NEXT.set(None);
    built
}

/// Whether a span is being built under ids of [`with`].
pub(super) fn are_given() -> bool {
    NEXT.get().is_some()
}

/// Gives out the ids that were set, else random ones.
#[derive(Debug)]
pub(super) struct Given;

impl IdGenerator for Given {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(|| RandomIdGenerator::default().new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| RandomIdGenerator::default().new_span_id(), |(_, span)| span)
    }
}
