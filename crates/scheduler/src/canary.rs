//! Shows that the whole way works, and that silence is no good news: a task of the scheduler's own, again and
//! again, from its submission to knowing that it completed.
//!
//! It goes the way of everybody's tasks. With several schedulers each has its own.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::{NewTask, Task, TaskDraft, TaskId, TaskState, TraceContext};
use distrack_store::{Submission, Submitted};
use distrack_telemetry::{Histogram, Metrics, buckets, names, traces};
use prometheus::{Gauge, IntCounterVec};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, info, info_span, warn};

use crate::app::App;
use crate::intake::Origin;
use crate::metrics::Source;
use crate::problem::Problem;
use crate::request_trace::{self, RequestTrace, unrecorded};
use crate::settings::Canary;

/// How long its command may run, which does nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Starts the loop, which ends with the scheduler; nothing if the canary is off.
pub(crate) fn start(app: App, metrics: &Metrics) -> JoinHandle<()> {
    let instruments = app.settings.canary.as_ref().map(|_| Instruments::new(metrics));
    tokio::spawn(async move {
        let (Some(canary), Some(instruments)) = (app.settings.canary.clone(), instruments) else { return };
        let shutdown = app.shutdown.clone();
        let flock = Flock { app, canary, instruments, clock: None, failing: false };
        shutdown.run_until_cancelled(flock.run()).await;
    })
}

/// How one came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It completed in time.
    Success,
    /// It ended otherwise.
    Failed,
    /// It did not end before the next one was due.
    Late,
    /// It was not accepted.
    Refused,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Success, Self::Failed, Self::Late, Self::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Refused => "refused",
        }
    }
}

struct Instruments {
    results: IntCounterVec,
    last_success: Gauge,
    duration: Histogram,
}

impl Instruments {
    fn new(metrics: &Metrics) -> Self {
        let results = metrics.counter_vec(
            "distrack_canary_total",
            "Canary tasks, by how they came out (success, failed, late, refused).",
            &["result"],
        );
        for fate in Fate::ALL {
            results.with_label_values(&[fate.as_str()]);
        }
        let last_success = metrics.gauge(
            "distrack_canary_last_success_timestamp_seconds",
            "When a canary last completed; the start of the process until the first success.",
        );
        last_success.set(seconds(request_trace::now()));
        let duration = metrics.histogram(
            "distrack_canary_duration_seconds",
            "From submitting a canary to knowing that it completed.",
            &buckets::START_DELAY,
        );
        Self { results, last_success, duration }
    }
}

/// One canary after the other.
struct Flock {
    app: App,
    canary: Canary,
    instruments: Instruments,
    /// What the database's clock said when the last one was accepted.
    clock: Option<(DateTime<Utc>, Instant)>,
    failing: bool,
}

impl Flock {
    async fn run(mut self) {
        let interval = self.canary.interval;
        // Schedulers that were started together do not stay together.
        let mut ticks = tokio::time::interval_at(Instant::now() + part_of(interval), interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (context, span) = self.begin();
            self.fly(context).instrument(span).await;
        }
    }

    /// A trace of its own, recorded like any other that begins here.
    fn begin(&self) -> (TraceContext, Span) {
        if self.app.traces.is_on() {
            let span = info_span!(
                parent: None,
                "canary",
                otel.kind = "internal",
                otel.status_code = Empty,
                error.type = Empty,
                distrack.task.id = Empty,
            );
            if let Some(context) = span.in_scope(|| traces::current_context(&span)) {
                return (context, span);
            }
        }
        let context = unrecorded();
        let (trace_id, span_id) = (display(context.trace_id), display(context.span_id));
        let span = info_span!(parent: None, "canary", trace_id, span_id);
        (context, span)
    }

    async fn fly(&mut self, context: TraceContext) {
        let (id, began) = (TaskId::new(), Instant::now());
        request_trace::made(id);
        let recorded = self.app.traces.records(&context).then_some(context.trace_id);
        let out = tokio::time::timeout(self.canary.interval, self.release(id, context)).await;
        let (fate, problem) = match &out {
            Ok(Ok(task)) if task.state == TaskState::Completed => (Fate::Success, None),
            Ok(Ok(_)) => (Fate::Failed, None),
            Ok(Err(problem)) => (Fate::Refused, Some(problem)),
            Err(_) => (Fate::Late, None),
        };
        self.instruments.results.with_label_values(&[fate.as_str()]).inc();
        if fate == Fate::Success {
            // By this machine's clock, like every other timestamp of a process: it is compared with Prometheus' own.
            self.instruments.last_success.set(seconds(request_trace::now()));
            self.instruments.duration.observe_traced(began.elapsed().as_secs_f64(), recorded);
        } else {
            let span = Span::current();
            span.record("otel.status_code", "error");
            span.record(names::ERROR_TYPE, fate.as_str());
        }
        self.say(id, fate, problem);
    }

    /// Says each change once.
    fn say(&mut self, id: TaskId, fate: Fate, problem: Option<&Problem>) {
        let failing = fate != Fate::Success;
        if failing == self.failing {
            return;
        }
        self.failing = failing;
        let code = problem.map(|problem| problem.code.as_str());
        let cause = problem.and_then(|problem| problem.cause.as_deref());
        if failing {
            warn!(task_id = %id, result = fate.as_str(), code, cause, "the canary does not come back");
        } else {
            info!(task_id = %id, "the canary comes back again");
        }
    }

    /// The task of a canary once it has ended.
    async fn release(&mut self, id: TaskId, context: TraceContext) -> Result<Task, Problem> {
        let since = Instant::now();
        let trace = RequestTrace::new(context);
        let task = self.task(id, trace.of_task(&self.app.traces, 1))?;
        let origin = Origin { source: Source::Canary, trace, note: None };
        let (_, submitted) = self.app.intake.submit(Submission { task, key: None }, origin).await?;
        let Submitted::Created { created_at, .. } = submitted else {
            return Err(Problem::internal("a canary has no key that another one could have used"));
        };
        self.clock = Some((created_at, Instant::now()));
        match self.app.waiters.ended(id, since).await {
            Some(task) => Ok(task),
            // Nobody looks any more. What cannot be known in time is late.
            None => std::future::pending().await,
        }
    }

    fn task(&self, id: TaskId, trace: TraceContext) -> Result<NewTask, Problem> {
        let draft = TaskDraft {
            command: Some(":".to_owned()),
            queue: Some(self.canary.queue.as_str().to_owned()),
            timeout: Some(TIMEOUT),
            max_attempts: Some(1),
            expires_at: self.expires_at(),
            labels: [("distrack".to_owned(), "canary".to_owned())].into(),
            ..TaskDraft::default()
        };
        NewTask::parse(draft, id, trace).map_err(Problem::invalid)
    }

    /// They must not pile up while nobody runs them. The first one of a process, which knows nothing of the
    /// database's clock yet, has no end.
    fn expires_at(&self) -> Option<DateTime<Utc>> {
        let (accepted_at, then) = self.clock?;
        let ahead = then.elapsed().checked_add(self.canary.interval.checked_mul(2)?)?;
        accepted_at.checked_add_signed(TimeDelta::from_std(ahead).ok()?)
    }
}

/// A part of a duration that differs from process to process.
fn part_of(whole: Duration) -> Duration {
    let [drawn, ..] = distrack_core::SpanId::random().to_bytes();
    whole.mul_f64(f64::from(drawn) / 256.0)
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
