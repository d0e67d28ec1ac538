//! Tells metrics and traces what the store made of attempts: each is told once, by whoever made the step.

use chrono::{DateTime, Utc};
use distrack_core::{AttemptRef, Cause, QueueName, SpanId, TraceContext, TraceId, TraceMode};
use distrack_store::{Claimed, Progress};
use distrack_telemetry::Traces;
use distrack_telemetry::spans::{self, About};
use tracing::warn;

use crate::Coordinator;
use crate::metrics::Instruments;

/// A claimed attempt, as its spans tell it.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(crate) attempt: AttemptRef,
    pub(crate) number: u32,
    pub(crate) queue: QueueName,
    /// The attempt's own span, which is its dispatch.
    pub(crate) trace: TraceContext,
    /// When it was claimed, by the database's clock.
    pub(crate) picked_at: DateTime<Utc>,
    mode: TraceMode,
    submission: TraceContext,
    previous: Option<(TraceId, SpanId)>,
    since: DateTime<Utc>,
    due_at: DateTime<Utc>,
}

impl Traced {
    pub(crate) fn about(&self) -> About<'_> {
        About { attempt: self.attempt, number: self.number, queue: self.queue.as_str() }
    }

    /// Records the spans of its wait; returns what its dispatch is below.
    pub(crate) fn waited(&self, traces: &Traces) -> TraceContext {
        let queued = spans::Queued {
            about: self.about(),
            mode: self.mode,
            submission: &self.submission,
            previous: self.previous,
            since: self.since,
            due_at: self.due_at,
            picked_at: self.picked_at,
        };
        spans::queued(traces, &self.trace, &queued)
    }
}

/// Measures a wait that is over. Its spans are recorded when the attempt is on its way: nobody waits for them then.
pub(crate) fn claimed(coordinator: &Coordinator, claimed: &Claimed) -> Traced {
    coordinator.metrics.claimed(claimed, exemplar(&coordinator.traces, Some(&claimed.trace)));
    Traced {
        attempt: claimed.attempt,
        number: claimed.number,
        queue: claimed.queue.clone(),
        trace: claimed.trace.clone(),
        picked_at: claimed.picked_at,
        mode: claimed.mode,
        submission: claimed.submission.clone(),
        previous: claimed.previous,
        since: claimed.waiting_since,
        due_at: claimed.due_at,
    }
}

/// A trace that can be looked up.
pub(crate) fn exemplar(traces: &Traces, context: Option<&TraceContext>) -> Option<TraceId> {
    context.filter(|context| traces.records(context)).map(|context| context.trace_id)
}

/// Measures what a report changed, and records that it is in the database. `execute` is where the worker's own span
/// is, if the report said so.
pub(crate) fn recorded(
    metrics: &Instruments,
    traces: &Traces,
    database: &'static str,
    progress: &Progress,
    execute: Option<&TraceContext>,
    between: spans::Between,
) {
    metrics.progressed(progress, exemplar(traces, progress.trace.as_ref()));
    if let Some(parent) = execute.or(progress.trace.as_ref()) {
        finish(traces, database, progress, parent, between);
    }
}

/// Measures attempts that were lost with their worker, and records the end that nobody reported.
pub(crate) fn lost(coordinator: &Coordinator, lost: &[Progress]) {
    let traces = &coordinator.traces;
    for progress in lost {
        let trace_id = progress.trace.as_ref().map(|trace| trace.trace_id.to_string());
        warn!(
            task_id = %progress.attempt.task, attempt = progress.number, worker = progress.worker,
            trace_id, "attempt lost with its worker"
        );
        coordinator.metrics.progressed(progress, exemplar(traces, progress.trace.as_ref()));
        let (Some(trace), Some(end)) = (&progress.trace, progress.end) else { continue };
        let context = spans::execute_context(traces, trace);
        let about = about(progress);
        let execute =
            spans::Execute { about, worker: progress.worker.as_deref(), cause: end.cause.map(Cause::as_str) };
        let began = progress.started_at.unwrap_or(progress.picked_at);
        spans::execute(traces, &context, trace, &execute, (began.into(), end.at.into()));
        finish(traces, coordinator.settings.database, progress, &context, (end.at.into(), end.at.into()));
    }
}

fn finish(
    traces: &Traces,
    database: &'static str,
    progress: &Progress,
    execute: &TraceContext,
    between: spans::Between,
) {
    let Some(end) = progress.end else { return };
    let finish = spans::Finish {
        about: about(progress),
        worker: progress.worker.as_deref(),
        cause: end.cause.map(Cause::as_str),
        state: end.next.as_str(),
        database,
    };
    spans::finish(traces, execute, &finish, between);
}

fn about(progress: &Progress) -> About<'_> {
    About { attempt: progress.attempt, number: progress.number, queue: progress.queue.as_str() }
}
