//! From an accepted assignment to a result on its way: the only place where running, holding and
//! reporting meet.

use std::sync::Arc;
use std::time::Duration;

use distrack_core::{Cause, Outcome};
use distrack_proto::convert;
use tracing::info;

use crate::assignment::Assignment;
use crate::held::Held;
use crate::metrics::Instruments;
use crate::report::Reporter;
use crate::run::{Ending, Runner};
use crate::spool::Spooled;
use crate::stop::{Stop, StopSignal};

/// Runs what was accepted.
#[derive(Debug)]
pub(crate) struct Execute {
    /// Runs one attempt.
    pub(crate) runner: Runner,
    /// Knows its slot.
    pub(crate) held: Arc<Held>,
    /// Takes its result.
    pub(crate) reporter: Reporter,
    /// Counts.
    pub(crate) instruments: Instruments,
}

impl Execute {
    /// Starts an attempt that has its slot, and returns at once.
    pub(crate) fn start(self: &Arc<Self>, assignment: Assignment, stop: StopSignal) {
        if assignment.spec.executor == distrack_core::Executor::Noop {
            self.end(&assignment, Ending::noop());
            return;
        }
        let execute = Arc::clone(self);
        tokio::spawn(async move {
            let attempt = assignment.attempt;
            let started = |moment| execute.reporter.started(attempt, moment);
            let ending = execute.runner.run(&assignment, stop.clone(), started).await;
            execute.log(&assignment, &ending);
            if stop.now() == Some(Stop::Superseded) {
                execute.disown(&assignment, &ending);
            } else {
                execute.end(&assignment, ending);
            }
        });
    }

    fn end(&self, assignment: &Assignment, ending: Ending) {
        let ran = ending.ran();
        self.instruments.ended(&ending.outcome, ran);
        let finished = convert::finished(ending.outcome, ending.output, ran, Duration::ZERO);
        self.reporter.finished(Spooled { attempt: assignment.attempt, ended: ending.ended, finished });
        self.held.ended(assignment.attempt);
    }

    /// Nobody wants the result: the fleet counts the attempt as lost.
    fn disown(&self, assignment: &Assignment, ending: &Ending) {
        self.instruments.ended(&Outcome::failure(Cause::WorkerLost, ""), ending.ran());
        self.held.forget([assignment.attempt]);
    }

    fn log(&self, assignment: &Assignment, ending: &Ending) {
        info!(
            task_id = %assignment.attempt.task,
            attempt = assignment.number,
            epoch = assignment.attempt.epoch,
            queue = %assignment.queue,
            outcome = ending.outcome.cause.map_or("success", Cause::as_str),
            exit_code = ending.outcome.exit_code,
            ran_ms = ending.ran().and_then(|ran| u64::try_from(ran.as_millis()).ok()),
            error = ending.outcome.error,
            "attempt ended"
        );
    }
}
