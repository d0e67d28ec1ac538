//! The spans of a task's way, one function for each: names, kinds, parents and attributes as docs/telemetry.md
//! lists them.
//!
//! Whoever calls knows the facts; what a span looks like is decided here alone.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use distrack_core::{AttemptRef, SpanId, TaskId, TraceContext, TraceId, TraceMode, Usage};

use crate::names;
use crate::traces::{LinkTo, Span, SpanKind, Traces};

/// The instants between which something happened.
pub type Between = (SystemTime, SystemTime);

/// Which attempt a span is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The attempt.
    pub attempt: AttemptRef,
    /// Its number, from 1.
    pub number: u32,
    /// The queue of its task.
    pub queue: &'a str,
}

impl About<'_> {
    fn on(&self, span: Span) -> Span {
        span.with(names::TASK_ID, self.attempt.task.to_string())
            .with(names::ATTEMPT, i64::from(self.number))
            .with(names::EPOCH, self.attempt.epoch)
    }

    fn message(&self, span: Span, operation: &'static str, kind: &'static str) -> Span {
        self.on(span.messaging(operation, kind, Some(self.queue)))
            .with(names::MESSAGING_MESSAGE_ID, self.attempt.task.to_string())
    }
}

/// `schedule {queue}`: a task, from its request to its commit.
pub fn schedule(
    traces: &Traces,
    context: &TraceContext,
    request: &TraceContext,
    (task, queue): (TaskId, &str),
    scheduled_at: Option<DateTime<Utc>>,
    between: Between,
) {
    schedule_as(traces, context, request, (task, queue), scheduled_at, None, between);
}

/// Records a `schedule {queue}` of which nobody knows whether it came to the database.
pub fn schedule_unknown(
    traces: &Traces,
    context: &TraceContext,
    request: &TraceContext,
    about: (TaskId, &str),
    between: Between,
) {
    schedule_as(traces, context, request, about, None, Some("database"), between);
}

fn schedule_as(
    traces: &Traces,
    context: &TraceContext,
    request: &TraceContext,
    (task, queue): (TaskId, &str),
    scheduled_at: Option<DateTime<Utc>>,
    failed: Option<&'static str>,
    between: Between,
) {
    if !traces.records(context) {
        return;
    }
    let span = Span::new(SpanKind::Producer, format!("schedule {queue}"), context, between)
        .failed(failed)
        .messaging("schedule", "send", Some(queue))
        .with(names::MESSAGING_MESSAGE_ID, task.to_string())
        .with(names::TASK_ID, task.to_string())
        .with_some(
            names::TASK_SCHEDULED_AT,
            scheduled_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        );
    // A task of a large batch has a trace of its own.
    let span = if context.trace_id == request.trace_id {
        span.below(request)
    } else {
        span.linked([LinkTo::context(request, names::LINK_REQUEST)])
    };
    traces.record(span);
}

/// How an attempt came to be, by the database's clock.
#[derive(Clone, Copy, Debug)]
pub struct Queued<'a> {
    /// Which attempt.
    pub about: About<'a>,
    /// How its trace belongs to the submission's.
    pub mode: TraceMode,
    /// The submission.
    pub submission: &'a TraceContext,
    /// The attempt before.
    pub previous: Option<(TraceId, SpanId)>,
    /// Since when it waited: its submission, or the end of the attempt before.
    pub since: DateTime<Utc>,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// When it was claimed.
    pub picked_at: DateTime<Utc>,
}

/// `queued {queue}`, once for each phase of the wait. Returns what `dispatch` is below.
pub fn queued(traces: &Traces, attempt: &TraceContext, queued: &Queued<'_>) -> TraceContext {
    let mut above = (queued.mode == TraceMode::Child).then(|| queued.submission.clone());
    if !traces.records(attempt) {
        return above.unwrap_or_else(|| attempt.clone());
    }
    let due_at = queued.due_at.clamp(queued.since, queued.picked_at.max(queued.since));
    let phases = [("scheduled", queued.since, due_at), ("ready", due_at, queued.picked_at)];
    for (phase, start, end) in phases {
        // What was due at once was never scheduled.
        if phase == "scheduled" && start >= end {
            continue;
        }
        let context = attempt.child();
        let name = format!("queued {}", queued.about.queue);
        let span = Span::new(SpanKind::Internal, name, &context, (start, end))
            .with(names::QUEUED_PHASE, phase)
            .with(names::MESSAGING_DESTINATION_NAME, queued.about.queue.to_owned());
        let span = queued.about.on(span);
        traces.record(match &above {
            Some(above) => span.below(above),
            None => span.linked(origins(queued)),
        });
        above.get_or_insert(context);
    }
    above.unwrap_or_else(|| attempt.clone())
}

/// Where a trace of its own comes from.
fn origins(queued: &Queued<'_>) -> impl Iterator<Item = LinkTo> {
    let sampled = queued.submission.is_sampled();
    let submission = LinkTo::context(queued.submission, names::LINK_SUBMISSION);
    let previous = queued.previous;
    let previous = previous.map(|(trace, span)| LinkTo::ids(trace, span, sampled, names::LINK_PREVIOUS));
    [Some(submission), previous].into_iter().flatten()
}

/// `dispatch {queue}`: from the claim to the worker's answer.
#[derive(Clone, Debug)]
pub struct Dispatch<'a> {
    /// Which attempt.
    pub about: About<'a>,
    /// What [`queued`] returned.
    pub above: &'a TraceContext,
    /// The worker's name.
    pub worker: &'a str,
    /// The worker's address.
    pub address: &'a str,
    /// `accepted`, `duplicate`, `refused`, `not_delivered`, `unanswered` or `unreadable`.
    pub result: &'static str,
}

/// Records a [`Dispatch`].
pub fn dispatch(traces: &Traces, attempt: &TraceContext, dispatch: &Dispatch<'_>, between: Between) {
    if !traces.records(attempt) {
        return;
    }
    let name = format!("dispatch {}", dispatch.about.queue);
    let span = Span::new(SpanKind::Producer, name, attempt, between);
    let span =
        dispatch.about.message(span, "dispatch", "send").with(names::WORKER, dispatch.worker.to_owned());
    let failed = !matches!(dispatch.result, "accepted" | "duplicate");
    let span = called(span, "distrack.v1.WorkerService/Dispatch", dispatch.address)
        .with(names::DISPATCH_RESULT, dispatch.result)
        .failed(failed.then_some(dispatch.result));
    traces.record(if dispatch.above == attempt { span } else { span.below(dispatch.above) });
}

/// With who was called for what.
fn called(span: Span, method: &'static str, address: &str) -> Span {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    span.with("rpc.system.name", "grpc")
        .with(names::RPC_METHOD, method)
        .with(names::SERVER_ADDRESS, host.trim_matches(['[', ']']).to_owned())
        .with_some(names::SERVER_PORT, port.parse::<i64>().ok())
}

/// `execute {queue}`: from the worker's acceptance to the end of the command.
#[derive(Clone, Copy, Debug)]
pub struct Execute<'a> {
    /// Which attempt.
    pub about: About<'a>,
    /// The worker's name.
    pub worker: Option<&'a str>,
    /// Why it failed; `None` is success.
    pub cause: Option<&'static str>,
}

/// Where an attempt's `execute` span is: the worker that runs it and the coordinator that closes it in the worker's place
/// know it alike, so that what the command recorded is below it either way.
pub fn execute_context(traces: &Traces, attempt: &TraceContext) -> TraceContext {
    match traces.records(attempt) {
        true => TraceContext { span_id: attempt.span_id.paired(), ..attempt.clone() },
        false => attempt.clone(),
    }
}

/// Records an [`Execute`], below the attempt's own span.
pub fn execute(
    traces: &Traces,
    context: &TraceContext,
    attempt: &TraceContext,
    execute: &Execute<'_>,
    between: Between,
) {
    if !traces.records(context) {
        return;
    }
    let name = format!("execute {}", execute.about.queue);
    let span = Span::new(SpanKind::Consumer, name, context, between).below(attempt);
    let span = execute.about.message(span, "execute", "process");
    traces.record(
        span.with_some(names::WORKER, execute.worker.map(str::to_owned))
            .with(names::OUTCOME, execute.cause.unwrap_or("success"))
            .failed(execute.cause),
    );
}

/// `{executable}`: a process.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// Which attempt.
    pub about: About<'a>,
    /// The name of its program.
    pub executable: String,
    /// Its id.
    pub pid: Option<u32>,
    /// How it ended by itself.
    pub exit_code: Option<i32>,
    /// What ended it.
    pub signal: Option<i32>,
    /// Why it failed; `None` is success.
    pub cause: Option<&'static str>,
    /// What it used.
    pub usage: Option<Usage>,
    /// What it wrote on standard output and on standard error, in bytes.
    pub wrote: (u64, u64),
    /// Its arguments, if they may be shown.
    pub arguments: Option<Vec<String>>,
}

/// Records a [`Command`], below its `execute` span.
pub fn command(
    traces: &Traces,
    context: &TraceContext,
    execute: &TraceContext,
    command: Command<'_>,
    between: Between,
) {
    if !traces.records(context) {
        return;
    }
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let usage = command.usage;
    let span = Span::new(SpanKind::Client, command.executable.clone(), context, between)
        .below(execute)
        .with(names::PROCESS_EXECUTABLE_NAME, command.executable)
        .with_some(names::PROCESS_PID, command.pid.map(i64::from))
        .with_some(names::PROCESS_EXIT_CODE, command.exit_code.map(i64::from))
        .with_some(names::PROCESS_SIGNAL, command.signal.map(i64::from))
        .with_some(names::PROCESS_MAX_RSS, usage.and_then(|usage| usage.max_rss_bytes).map(bytes))
        .with_some(names::PROCESS_CPU_USER, usage.map(|usage| usage.cpu_user.as_secs_f64()))
        .with_some(names::PROCESS_CPU_SYSTEM, usage.map(|usage| usage.cpu_system.as_secs_f64()))
        .with(names::PROCESS_STDOUT, bytes(command.wrote.0))
        .with(names::PROCESS_STDERR, bytes(command.wrote.1))
        .with_some(names::PROCESS_COMMAND_ARGS, command.arguments.map(strings))
        .failed(command.cause);
    traces.record(command.about.on(span));
}

/// As much of a command line as a batch of spans has room for: collectors take 4 MiB at once.
fn strings(texts: Vec<String>) -> opentelemetry::Value {
    const MOST: (usize, usize) = (256, 4096);
    let (most, mut left) = MOST;
    let texts = texts.into_iter().take(most).map_while(|mut text| {
        (left > 0 || text.is_empty()).then(|| {
            text.truncate(text.floor_char_boundary(left));
            left -= text.len();
            opentelemetry::StringValue::from(text)
        })
    });
    opentelemetry::Value::Array(texts.collect::<Vec<_>>().into())
}

/// `finish {queue}`: from the report's arrival to the outcome in the database.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// Which attempt.
    pub about: About<'a>,
    /// The worker's name.
    pub worker: Option<&'a str>,
    /// Why the attempt failed; `None` is success.
    pub cause: Option<&'static str>,
    /// The task's state from then on.
    pub state: &'static str,
    /// The database's name.
    pub database: &'static str,
}

/// Records a [`Finish`], below the attempt's `execute` span.
pub fn finish(traces: &Traces, execute: &TraceContext, finish: &Finish<'_>, between: Between) {
    if !traces.records(execute) {
        return;
    }
    let name = format!("finish {}", finish.about.queue);
    let span = Span::new(SpanKind::Client, name, &execute.child(), between).below(execute);
    // What went wrong with the attempt is told by `execute`; this one did its part.
    traces.record(
        finish
            .about
            .message(span, "finish", "settle")
            .with_some(names::WORKER, finish.worker.map(str::to_owned))
            .with(names::OUTCOME, finish.cause.unwrap_or("success"))
            .with(names::TASK_STATE, finish.state)
            .with(names::DB_SYSTEM_NAME, finish.database)
            .with(names::DB_OPERATION_NAME, "report"),
    );
}

/// `claim`: one claim that brought something, in a trace of its own.
pub fn claim(traces: &Traces, database: &'static str, attempts: &[TraceContext], between: Between) {
    let span = batch(traces, "claim", attempts.iter(), between);
    let Some(span) = span else { return };
    traces.record(
        span.messaging("claim", "receive", None)
            .with(names::DB_SYSTEM_NAME, database)
            .with(names::DB_OPERATION_NAME, "claim"),
    );
}

/// `report`: one batch of reports to a coordinator, in a trace of its own. `status` is the call's gRPC status.
pub fn report(
    traces: &Traces,
    address: &str,
    executes: &[&TraceContext],
    status: &'static str,
    between: Between,
) {
    let span = batch(traces, "report", executes.iter().copied(), between);
    let Some(span) = span else { return };
    let span = called(span, "distrack.v1.CoordinatorService/ReportAttempts", address);
    traces.record(
        span.messaging("report", "settle", None)
            .with("rpc.response.status_code", status)
            .failed((status != "OK").then_some(status)),
    );
}

fn batch<'a>(
    traces: &Traces,
    name: &'static str,
    members: impl ExactSizeIterator<Item = &'a TraceContext> + Clone,
    between: Between,
) -> Option<Span> {
    if !traces.is_on() || !members.clone().any(TraceContext::is_sampled) {
        return None;
    }
    let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
    let links = members.filter(|member| member.is_sampled());
    let links = links.map(|member| LinkTo::context(member, names::LINK_ATTEMPT));
    let span = Span::new(SpanKind::Client, name, &TraceContext::root(), between);
    Some(span.linked(links).with(names::MESSAGING_BATCH_MESSAGE_COUNT, count))
}
