//! Where a task's traces are, and its way in time, as the API shows them.

use chrono::TimeDelta;
use distrack_core::timeline::{Step, timeline};
use distrack_core::why::Facts;
use distrack_core::{Attempt, TaskId, TraceContext, TraceId, TraceMode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;
use crate::stamp::Stamp;

/// A task's traces, and each phase that it went through, from the database alone.
#[derive(Serialize, ToSchema)]
#[schema(as = Trace)]
pub(crate) struct TraceResource {
    /// The task.
    #[schema(value_type = Uuid)]
    task_id: TaskId,
    /// The trace of its submission.
    submission: SubmissionTrace,
    /// The trace of each attempt, oldest first.
    attempts: Vec<AttemptTrace>,
    /// Where Jaeger searches for all spans of the task; null unless the scheduler knows a Jaeger.
    search_url: Option<String>,
    /// The phases, in the order in which they began. One without length is left out.
    timeline: Vec<StepResource>,
}

/// The trace of a submission.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubmissionTrace {
    /// The trace.
    trace_id: String,
    /// The span in it that the task was stored with.
    span_id: String,
    /// Whether spans are kept.
    sampled: bool,
    /// Where Jaeger shows it; null unless the scheduler knows a Jaeger.
    url: Option<String>,
}

/// The trace of an attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptTrace {
    /// Its number, from 1.
    attempt: u32,
    /// The claim that began it.
    epoch: i64,
    /// The trace.
    trace_id: Option<String>,
    /// The attempt's span in it.
    span_id: Option<String>,
    #[schema(schema_with = schema::trace_mode)]
    mode: Option<&'static str>,
    /// Whether spans are kept: as of the submission.
    sampled: bool,
    /// Where Jaeger shows it; null unless the scheduler knows a Jaeger.
    url: Option<String>,
}

/// A phase of a task.
#[derive(Serialize, ToSchema)]
#[schema(as = Phase)]
pub(crate) struct StepResource {
    #[schema(schema_with = schema::phase)]
    phase: &'static str,
    /// The attempt that it belongs to or leads to; null for the task's own.
    attempt: Option<u32>,
    /// When it began.
    started_at: Stamp,
    /// When it ended; null while it goes on.
    ended_at: Option<Stamp>,
    /// How long it lasted, or has lasted so far.
    duration_seconds: f64,
}

/// The address of a Jaeger's pages, if there is one.
#[derive(Clone, Copy)]
pub(crate) struct Jaeger<'a>(pub(crate) Option<&'a str>);

impl Jaeger<'_> {
    fn trace(self, id: TraceId) -> Option<String> {
        self.0.map(|base| format!("{base}/trace/{id}"))
    }

    /// A search needs a service that has spans of the task, and a time: that of the task, and a minute around it for
    /// clocks that differ.
    fn search(self, facts: &Facts) -> Option<String> {
        const AROUND: TimeDelta = TimeDelta::minutes(1);
        let base = self.0?;
        let (task, ran) = (&facts.task, facts.attempts.iter().any(|attempt| attempt.started_at.is_some()));
        let service = if ran { "distrack-worker" } else { "distrack-scheduler" };
        let tags = format!(r#"{{"distrack.task.id":"{}"}}"#, task.id);
        let tags: String = form_urlencoded::byte_serialize(tags.as_bytes()).collect();
        let ended = task.finished_at.filter(|_| task.state.is_terminal()).unwrap_or(facts.now);
        let [start, end] = [task.created_at - AROUND, ended + AROUND].map(|at| at.timestamp_micros());
        Some(format!("{base}/search?service={service}&tags={tags}&start={start}&end={end}"))
    }
}

impl TraceResource {
    /// The traces of a task; links lead to `jaeger`.
    pub(crate) fn new(facts: &Facts, jaeger: Jaeger<'_>) -> Self {
        let (task, submission) = (&facts.task, &facts.task.trace);
        Self {
            task_id: task.id,
            submission: SubmissionTrace {
                trace_id: submission.trace_id.to_string(),
                span_id: submission.span_id.to_string(),
                sampled: is_sampled(submission),
                url: jaeger.trace(submission.trace_id),
            },
            attempts: facts.attempts.iter().map(|attempt| traced(attempt, submission, jaeger)).collect(),
            search_url: jaeger.search(facts),
            timeline: timeline(facts).into_iter().map(|step| told(step, facts)).collect(),
        }
    }
}

fn is_sampled(trace: &TraceContext) -> bool {
    trace.flags & 1 == 1
}

fn traced(attempt: &Attempt, submission: &TraceContext, jaeger: Jaeger<'_>) -> AttemptTrace {
    // An attempt of before it was stored shows it by its trace.
    let shown = |id| if id == submission.trace_id { TraceMode::Child } else { TraceMode::Link };
    AttemptTrace {
        attempt: attempt.attempt,
        epoch: attempt.epoch,
        trace_id: attempt.trace_id.map(|id| id.to_string()),
        span_id: attempt.span_id.map(|id| id.to_string()),
        mode: attempt.trace_mode.or_else(|| attempt.trace_id.map(shown)).map(TraceMode::as_str),
        // A linked trace inherits it.
        sampled: is_sampled(submission),
        url: attempt.trace_id.and_then(|id| jaeger.trace(id)),
    }
}

fn told(step: Step, facts: &Facts) -> StepResource {
    let lasted = step.ended_at.unwrap_or(facts.now) - step.started_at;
    StepResource {
        phase: step.phase.as_str(),
        attempt: (step.attempt > 0).then_some(step.attempt),
        started_at: step.started_at.into(),
        ended_at: step.ended_at.map(Stamp),
        duration_seconds: lasted.to_std().unwrap_or_default().as_secs_f64(),
    }
}
