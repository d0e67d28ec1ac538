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
use crate::verdict;

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
        let mut running = Running { execute: Arc::clone(self), assignment, stop, concluded: false };
        tokio::spawn(async move {
            let (execute, assignment) = (&running.execute, &running.assignment);
            let started = |moment| execute.reporter.started(assignment.attempt, moment);
            let ending = execute.runner.run(assignment, running.stop.clone(), started).await;
            running.conclude(ending);
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

/// An attempt that runs. However its code ends, its slot is free after it and its end is told.
struct Running {
    execute: Arc<Execute>,
    assignment: Assignment,
    stop: StopSignal,
    concluded: bool,
}

impl Running {
    fn conclude(&mut self, ending: Ending) {
        self.concluded = true;
        self.execute.log(&self.assignment, &ending);
        if self.stop.now() == Some(Stop::Superseded) {
            self.execute.disown(&self.assignment, &ending);
        } else {
            self.execute.end(&self.assignment, ending);
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
