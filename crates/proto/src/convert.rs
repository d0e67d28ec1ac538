//! From the wire to `core` and back. Towards `core` everything is checked and may fail, naming the field;
//! towards the wire nothing can.

use std::time::Duration;

use bytes::Bytes;
use distrack_core as core;
use distrack_core::outcome::{Outcome, Usage};
use distrack_core::{
    AttemptRef, Cause, Executor, OnOutputLimit, Output, Program, Secret, StreamOutput, TaskSpec,
};
use uuid::Uuid;

use crate::v1;

/// A field of a message that cannot be accepted. Becomes `INVALID_ARGUMENT`.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// The field's path in the message.
    pub field: &'static str,
    /// What it must be.
    pub message: String,
}

impl Invalid {
    /// A refusal of `field`.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl From<Invalid> for tonic::Status {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

/// Reads an identity of 16 bytes.
///
/// # Errors
/// When the bytes are no UUID.
pub fn id<T: From<Uuid>>(bytes: &[u8], field: &'static str) -> Result<T, Invalid> {
    Uuid::from_slice(bytes)
        .map(T::from)
        .map_err(|_| Invalid::new(field, format!("must be a UUID of 16 bytes, not {} bytes", bytes.len())))
}

/// An identity on the wire.
pub fn id_bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

/// Reads the name of an attempt.
///
/// # Errors
/// When it is missing, its task is no UUID or its epoch is below 1.
pub fn attempt_ref(attempt: Option<&v1::AttemptRef>) -> Result<AttemptRef, Invalid> {
    let attempt = attempt.ok_or_else(|| Invalid::new("attempt", "is missing"))?;
    if attempt.epoch < 1 {
        return Err(Invalid::new("attempt.epoch", "must be at least 1"));
    }
    Ok(AttemptRef { task: id(&attempt.task_id, "attempt.task_id")?, epoch: attempt.epoch })
}

/// Reads the names of attempts.
///
/// # Errors
/// At the first that cannot be read.
pub fn attempt_refs(attempts: &[v1::AttemptRef]) -> Result<Vec<AttemptRef>, Invalid> {
    attempts.iter().map(|attempt| attempt_ref(Some(attempt))).collect()
}

impl From<AttemptRef> for v1::AttemptRef {
    fn from(attempt: AttemptRef) -> Self {
        Self { task_id: id_bytes(attempt.task.as_uuid()), epoch: attempt.epoch }
    }
}

impl From<core::TraceContext> for v1::TraceContext {
    fn from(trace: core::TraceContext) -> Self {
        Self { traceparent: trace.traceparent(), tracestate: trace.state }
    }
}

impl From<TaskSpec> for v1::Command {
    fn from(spec: TaskSpec) -> Self {
        let timeout_ms = spec.timeout_ms;
        let program = match (spec.executor, spec.program) {
            (Executor::Noop, _) => v1::command::Program::Noop(v1::Noop {}),
            (Executor::Process, Program::Command(line)) => v1::command::Program::Line(line),
            (Executor::Process, Program::Argv(items)) => v1::command::Program::Argv(v1::Argv { items }),
        };
        Self {
            program: Some(program),
            env: spec.env.into_iter().collect(),
            env_secret: spec
                .env_secret
                .into_iter()
                .map(|(name, secret)| (name, secret.into_exposed()))
                .collect(),
            cwd: spec.cwd.unwrap_or_default(),
            timeout_ms,
            fail_on_output_limit: spec.on_output_limit == OnOutputLimit::Fail,
        }
    }
}

/// Reads what to run.
///
/// # Errors
/// When there is no program, an empty one, or no timeout.
pub fn task_spec(command: v1::Command) -> Result<TaskSpec, Invalid> {
    let missing = || Invalid::new("command.program", "is missing or empty");
    let (program, executor) = match command.program.ok_or_else(missing)? {
        v1::command::Program::Line(line) if !line.is_empty() => (Program::Command(line), Executor::Process),
        v1::command::Program::Argv(argv) if argv.items.first().is_some_and(|item| !item.is_empty()) => {
            (Program::Argv(argv.items), Executor::Process)
        }
        v1::command::Program::Noop(_) => (Program::Command(String::new()), Executor::Noop),
        v1::command::Program::Line(_) | v1::command::Program::Argv(_) => return Err(missing()),
    };
    if command.timeout_ms == 0 {
        return Err(Invalid::new("command.timeout_ms", "must be at least 1"));
    }
    Ok(TaskSpec {
        program,
        env: command.env.into_iter().collect(),
        env_secret: command.env_secret.into_iter().map(|(name, text)| (name, Secret::new(text))).collect(),
        cwd: Some(command.cwd).filter(|cwd| !cwd.is_empty()),
        timeout_ms: command.timeout_ms,
        executor,
        on_output_limit: if command.fail_on_output_limit {
            OnOutputLimit::Fail
        } else {
            OnOutputLimit::Truncate
        },
    })
}

impl From<Cause> for v1::Cause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::ExitCode => Self::ExitCode,
            Cause::Signal => Self::Signal,
            Cause::Timeout => Self::Timeout,
            Cause::Cancelled => Self::Cancelled,
            Cause::SpawnFailed => Self::SpawnFailed,
            Cause::WorkerLost => Self::WorkerLost,
            Cause::OutputLimit => Self::OutputLimit,
            Cause::Oom => Self::Oom,
            Cause::Interrupted => Self::Interrupted,
        }
    }
}

fn cause(wire: i32) -> Result<Option<Cause>, Invalid> {
    let unknown = || Invalid::new("finished.cause", format!("{wire} is not a known cause"));
    Ok(match v1::Cause::try_from(wire).map_err(|_| unknown())? {
        v1::Cause::Unspecified => None,
        v1::Cause::ExitCode => Some(Cause::ExitCode),
        v1::Cause::Signal => Some(Cause::Signal),
        v1::Cause::Timeout => Some(Cause::Timeout),
        v1::Cause::Cancelled => Some(Cause::Cancelled),
        v1::Cause::SpawnFailed => Some(Cause::SpawnFailed),
        v1::Cause::WorkerLost => Some(Cause::WorkerLost),
        v1::Cause::OutputLimit => Some(Cause::OutputLimit),
        v1::Cause::Oom => Some(Cause::Oom),
        v1::Cause::Interrupted => Some(Cause::Interrupted),
    })
}

/// The wire form of a duration: whole microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl From<StreamOutput> for v1::StreamOutput {
    fn from(stream: StreamOutput) -> Self {
        Self { head: stream.head.into(), tail: stream.tail.into(), bytes: stream.bytes }
    }
}

impl From<v1::StreamOutput> for StreamOutput {
    fn from(stream: v1::StreamOutput) -> Self {
        Self { head: stream.head.into(), tail: stream.tail.into(), bytes: stream.bytes }
    }
}

/// How an attempt ended, as the wire carries it. `ago` and `ran` are durations on the worker's own clock.
pub fn finished(outcome: Outcome, output: Output, ran: Option<Duration>, ago: Duration) -> v1::Finished {
    let stream = |stream: StreamOutput| (stream.bytes > 0).then(|| stream.into());
    v1::Finished {
        ago_us: micros(ago),
        ran_us: ran.map(micros),
        cause: outcome.cause.map_or(v1::Cause::Unspecified, Into::into).into(),
        exit_code: outcome.exit_code,
        signal: outcome.signal,
        error: outcome.error.unwrap_or_default(),
        final_failure: outcome.final_failure,
        usage: outcome.usage.map(|usage| v1::Usage {
            max_rss_bytes: usage.max_rss_bytes,
            cpu_user_us: micros(usage.cpu_user),
            cpu_system_us: micros(usage.cpu_system),
        }),
        stdout: stream(output.stdout),
        stderr: stream(output.stderr),
    }
}

/// Reads the outcome of an attempt.
///
/// # Errors
/// When the cause is unknown, or one that no worker may report.
pub fn outcome(finished: &v1::Finished) -> Result<Outcome, Invalid> {
    let cause = cause(finished.cause)?;
    if cause == Some(Cause::WorkerLost) {
        return Err(Invalid::new("finished.cause", "a worker cannot report itself lost"));
    }
    if cause.is_none() && finished.exit_code.unwrap_or(0) != 0 {
        return Err(Invalid::new("finished.cause", "is missing, although the exit code is not 0"));
    }
    if finished.error.len() > MAX_ERROR {
        return Err(Invalid::new("finished.error", format!("must be at most {MAX_ERROR} bytes")));
    }
    Ok(Outcome {
        cause,
        exit_code: finished.exit_code,
        signal: finished.signal,
        error: Some(finished.error.clone()).filter(|error| !error.is_empty()),
        final_failure: finished.final_failure,
        usage: finished.usage.map(|usage| Usage {
            max_rss_bytes: usage.max_rss_bytes,
            cpu_user: Duration::from_micros(usage.cpu_user_us),
            cpu_system: Duration::from_micros(usage.cpu_system_us),
        }),
    })
}

/// Reads what an attempt printed.
///
/// # Errors
/// When head or tail is longer than what may be kept.
pub fn output(finished: &v1::Finished) -> Result<Output, Invalid> {
    let stream = |stream: &Option<v1::StreamOutput>, field| {
        let stream: StreamOutput = stream.clone().unwrap_or_default().into();
        let good = stream.head.len().max(stream.tail.len()) <= KEPT_PER_END
            && (stream.head.len() + stream.tail.len()) as u64 <= stream.bytes;
        if good {
            Ok(stream)
        } else {
            Err(Invalid::new(field, "keeps at most 64 KiB at each end, of what was written"))
        }
    };
    Ok(Output {
        stdout: stream(&finished.stdout, "finished.stdout")?,
        stderr: stream(&finished.stderr, "finished.stderr")?,
    })
}

/// The longest text of an error that a worker may report, in bytes.
pub const MAX_ERROR: usize = 4 * 1024;

/// How much of each end of a stream goes into the database, in bytes.
pub const KEPT_PER_END: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_crosses_the_wire_unchanged() {
        for cause in Cause::ALL.into_iter().filter(|cause| *cause != Cause::WorkerLost) {
            let sent = Outcome {
                exit_code: Some(3),
                signal: Some(9),
                usage: Some(Usage {
                    max_rss_bytes: Some(7),
                    cpu_user: Duration::from_micros(5),
                    cpu_system: Duration::ZERO,
                }),
                ..Outcome::failure(cause, "why")
            };
            let wire =
                finished(sent.clone(), Output::default(), Some(Duration::from_secs(1)), Duration::ZERO);
            assert_eq!(outcome(&wire).unwrap(), sent);
        }
        let wire = finished(Outcome::success(), Output::default(), None, Duration::ZERO);
        assert_eq!(outcome(&wire).unwrap(), Outcome::success());
    }

    #[test]
    fn a_worker_cannot_report_itself_lost_nor_an_unknown_cause() {
        let mut wire = finished(Outcome::success(), Output::default(), None, Duration::ZERO);
        wire.cause = v1::Cause::WorkerLost.into();
        assert_eq!(outcome(&wire).unwrap_err().field, "finished.cause");
        wire.cause = 99;
        assert_eq!(outcome(&wire).unwrap_err().field, "finished.cause");
    }

    #[test]
    fn a_failure_without_a_cause_and_an_endless_error_are_refused_by_name() {
        let good = finished(Outcome::success(), Output::default(), None, Duration::ZERO);
        let nameless = v1::Finished { exit_code: Some(1), ..good.clone() };
        assert_eq!(outcome(&nameless).unwrap_err().field, "finished.cause");
        let endless = v1::Finished { error: "x".repeat(MAX_ERROR + 1), ..good };
        assert_eq!(outcome(&endless).unwrap_err().field, "finished.error");
    }

    #[test]
    fn a_bad_reference_names_its_field() {
        let bad = v1::AttemptRef { task_id: Bytes::from_static(b"short"), epoch: 1 };
        assert_eq!(attempt_ref(Some(&bad)).unwrap_err().field, "attempt.task_id");
        let bad = v1::AttemptRef { task_id: id_bytes(Uuid::nil()), epoch: 0 };
        assert_eq!(attempt_ref(Some(&bad)).unwrap_err().field, "attempt.epoch");
        assert_eq!(attempt_ref(None).unwrap_err().field, "attempt");
    }

    #[test]
    fn a_spec_crosses_the_wire_unchanged() {
        let spec = TaskSpec {
            program: Program::Argv(vec!["ls".to_owned(), "-l".to_owned()]),
            env: [("A".to_owned(), "b".to_owned())].into(),
            env_secret: [("S".to_owned(), Secret::new("hunter2"))].into(),
            cwd: Some("/tmp".to_owned()),
            timeout_ms: 5,
            executor: Executor::Process,
            on_output_limit: OnOutputLimit::Fail,
        };
        let wire = v1::Command::from(spec.clone());
        let shown = format!("{wire:?}");
        assert!(shown.contains("ls") && shown.contains("\"S\"") && !shown.contains("hunter2"), "{shown}");
        assert_eq!(task_spec(wire).unwrap(), spec);
        assert_eq!(task_spec(v1::Command::default()).unwrap_err().field, "command.program");
    }

    #[test]
    fn oversized_output_is_refused_by_name() {
        let stream =
            v1::StreamOutput { head: vec![0; KEPT_PER_END + 1].into(), tail: Bytes::new(), bytes: 1 << 20 };
        let wire = v1::Finished { stderr: Some(stream), ..v1::Finished::default() };
        assert_eq!(output(&wire).unwrap_err().field, "finished.stderr");
    }
}

#[cfg(test)]
#[path = "convert_fuzz.rs"]
mod fuzz;
