//! From an accepted assignment to a result on its way: the only place where running, holding and
//! reporting meet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_core::{Cause, TraceId};
use distrack_proto::convert;
use tracing::info;

use crate::Commands;
use crate::assignment::Assignment;
use crate::clock::Moment;
use crate::held::Held;
use crate::metrics::Instruments;
use crate::report::Reporter;
use crate::run::{Ending, Runner};
use crate::spool::Spooled;
use crate::stop::{Stop, StopSignal};
use crate::traced::{Teller, Traced};
use crate::verdict;

/// Runs what was accepted.
#[derive(Debug)]
pub(crate) struct Execute {
    /// Runs one attempt.
    pub(crate) runner: Runner,
    /// Runs it instead.
    pub(crate) commands: Option<Arc<dyn Commands>>,
    /// Knows its slot.
    pub(crate) held: Arc<Held>,
    /// Takes its result.
    pub(crate) reporter: Reporter,
    /// Records its spans.
    pub(crate) teller: Teller,
    /// Counts.
    pub(crate) instruments: Instruments,
}

impl Execute {
    /// Starts an attempt that has its slot, and returns at once.
    pub(crate) fn start(self: &Arc<Self>, mut assignment: Assignment, stop: StopSignal) {
        let traced = assignment.trace.as_ref().map(|attempt| self.teller.begin(attempt));
        if assignment.spec.executor == distrack_core::Executor::Noop {
            self.end(&assignment, traced.as_ref(), Ending::noop());
            return;
        }
        // What the command does is below its own span.
        assignment.trace = traced.as_ref().map(|traced| traced.command.clone());
        let accepted = Instant::now();
        let mut running = Running { execute: Arc::clone(self), assignment, traced, stop, concluded: false };
        tokio::spawn(async move {
            let (execute, assignment) = (&running.execute, &running.assignment);
            let started = |moment| {
                execute.instruments.spawned(accepted.elapsed(), execute.exemplar(running.traced.as_ref()));
                execute.reporter.started(assignment.attempt, moment);
            };
            let stop = running.stop.clone();
            let ending = match &execute.commands {
                None => execute.runner.run(assignment, stop, started).await,
                Some(commands) => elsewhere(commands.as_ref(), assignment, stop, started).await,
            };
            running.conclude(ending);
        });
    }

    fn exemplar(&self, traced: Option<&Traced>) -> Option<TraceId> {
        let execute = &traced?.execute;
        self.teller.traces.records(execute).then_some(execute.trace_id)
    }

    fn end(&self, assignment: &Assignment, traced: Option<&Traced>, ending: Ending) {
        let ran = ending.ran();
        self.instruments.ended(&ending.outcome);
        let told = traced.filter(|_| self.teller.traces.is_on()).map(|traced| (traced, ending.told()));
        let finished = convert::finished(ending.outcome, ending.output, ran, Duration::ZERO);
        self.reporter.finished(Spooled {
            attempt: assignment.attempt,
            ended: ending.ended,
            finished,
            trace: traced.map(|traced| traced.execute.clone()),
        });
        self.held.ended(assignment.attempt);
        // Last, since nobody waits for it.
        if let Some((traced, ending)) = told {
            self.teller.end(traced, assignment, &ending);
        }
    }

    /// Nobody wants the result: the fleet counts the attempt as lost.
    fn disown(&self, assignment: &Assignment, traced: Option<&Traced>, mut ending: Ending) {
        ending.outcome.cause = Some(Cause::WorkerLost);
        self.instruments.ended(&ending.outcome);
        if let Some(traced) = traced {
            self.teller.command(traced, assignment, &ending);
        }
        self.held.forget([assignment.attempt]);
    }

    fn log(&self, assignment: &Assignment, traced: Option<&Traced>, ending: &Ending) {
        info!(
            task_id = %assignment.attempt.task,
            trace_id = traced.map(|traced| traced.execute.trace_id.to_string()),
            span_id = traced.map(|traced| traced.execute.span_id.to_string()),
            worker = self.teller.worker,
            attempt = assignment.number,
            epoch = assignment.attempt.epoch,
            queue = %assignment.queue,
            outcome = ending.outcome.cause.map_or("success", Cause::as_str),
            exit_code = ending.outcome.exit_code,
            ran_ms = ending.ran().and_then(|ran| u64::try_from(ran.as_millis()).ok()),
            error = ending.outcome.error.as_deref().filter(|_| self.teller.may_say(&ending.outcome)),
            "attempt ended"
        );
    }
}

/// Runs a command that is none of this machine.
async fn elsewhere(
    commands: &dyn Commands,
    assignment: &Assignment,
    mut stop: StopSignal,
    started: impl FnOnce(Moment),
) -> Ending {
    let start = Moment::now();
    started(start);
    let outcome = tokio::select! {
        outcome = commands.run(assignment.attempt, &assignment.spec) => outcome,
        why = stop.requested() => verdict::of_unstarted(why),
    };
    Ending { started: Some(start), ..Ending::unstarted(outcome) }
}

/// An attempt that runs. However its code ends, its slot is free after it and its end is told.
struct Running {
    execute: Arc<Execute>,
    assignment: Assignment,
    traced: Option<Traced>,
    stop: StopSignal,
    concluded: bool,
}

impl Running {
    fn conclude(&mut self, ending: Ending) {
        self.concluded = true;
        let traced = self.traced.as_ref();
        self.execute.log(&self.assignment, traced, &ending);
        if self.stop.now() == Some(Stop::Superseded) {
            self.execute.disown(&self.assignment, traced, ending);
        } else {
            self.execute.end(&self.assignment, traced, ending);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without a panic it is the whole process that ends, and nobody is left to tell.
        if !self.concluded && std::thread::panicking() {
            self.conclude(Ending::unstarted(verdict::of_panic()));
        }
    }
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
