//! An attempt's spans: where they are before it runs, and what they say once it has ended.

use distrack_core::{Cause, Executor, Outcome, Program, TraceContext};
use distrack_telemetry::Traces;
use distrack_telemetry::spans::{self, About};

use crate::assignment::Assignment;
use crate::clock::Moment;
use crate::run::Ending;

/// What an attempt is told by.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    /// To the collector.
    pub(crate) traces: Traces,
    /// This worker's name.
    pub(crate) worker: String,
    /// Whether command lines may be shown: they may hold secrets.
    pub(crate) show_command: bool,
}

/// Where the spans of one attempt are.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    /// The attempt's own, the coordinator's.
    attempt: TraceContext,
    /// From its acceptance to the end of its command.
    pub(crate) execute: TraceContext,
    /// The command's, which it hears as `TRACEPARENT`.
    pub(crate) command: TraceContext,
    accepted: Moment,
}

impl Teller {
    /// Places the spans of an attempt that was just accepted.
    pub(crate) fn begin(&self, attempt: &TraceContext) -> Traced {
        let execute = spans::execute_context(&self.traces, attempt);
        let command = self.traces.child(&execute);
        Traced { attempt: attempt.clone(), execute, command, accepted: Moment::now() }
    }

    /// Whether the words of an outcome may be logged: of a program that cannot be started they name it, and where it was
    /// looked for, which are parts of the command and its environment.
    pub(crate) fn may_say(&self, outcome: &Outcome) -> bool {
        self.show_command || outcome.cause != Some(Cause::SpawnFailed)
    }

    /// Records the spans of an attempt that has ended.
    pub(crate) fn end(&self, traced: &Traced, assignment: &Assignment, ending: &Ending) {
        if !self.traces.records(&traced.execute) {
            return;
        }
        self.command(traced, assignment, ending);
        let (about, cause) = (about(assignment), ending.outcome.cause.map(Cause::as_str));
        let execute = spans::Execute { about, worker: Some(&self.worker), cause };
        let between = (traced.accepted.wall(), ending.ended.wall());
        spans::execute(&self.traces, &traced.execute, &traced.attempt, &execute, between);
    }

    /// Records the span of its process. All there is to record of an attempt that was lost: its end is told by whoever
    /// lost it.
    pub(crate) fn command(&self, traced: &Traced, assignment: &Assignment, ending: &Ending) {
        if !self.traces.records(&traced.execute) {
            return;
        }
        let (about, outcome) = (about(assignment), &ending.outcome);
        let cause = outcome.cause.map(Cause::as_str);
        if let Some(started) = ending.started.filter(|_| assignment.spec.executor == Executor::Process) {
            let command = spans::Command {
                about,
                executable: executable(&assignment.spec.program).to_owned(),
                pid: ending.pid,
                exit_code: outcome.exit_code,
                signal: outcome.signal,
                cause,
                usage: outcome.usage,
                wrote: (ending.output.stdout.bytes, ending.output.stderr.bytes),
                arguments: self.show_command.then(|| arguments(&assignment.spec.program)),
            };
            let between = (started.wall(), ending.ended.wall());
            spans::command(&self.traces, &traced.command, &traced.execute, command, between);
        }
    }
}

fn about(assignment: &Assignment) -> About<'_> {
    About { attempt: assignment.attempt, number: assignment.number, queue: assignment.queue.as_str() }
}

fn executable(program: &Program) -> &str {
    match program {
        Program::Command(_) => "sh",
        Program::Argv(argv) => {
            let name = argv.first().map_or("", String::as_str);
            name.rsplit('/').next().unwrap_or(name)
        }
    }
}

fn arguments(program: &Program) -> Vec<String> {
    match program {
        Program::Command(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        Program::Argv(argv) => argv.clone(),
    }
}
