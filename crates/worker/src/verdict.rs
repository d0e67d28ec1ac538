//! What an attempt's end is called: from how its command ended, and why it was stopped if it was.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use distrack_core::{Cause, Outcome, Program, Usage};
use wait4::ResUse;

use crate::spawn::SpawnError;
use crate::stop::Stop;

/// The most of an error's text that is reported.
const MAX_ERROR: usize = 4 * 1024;

const SIGKILL: i32 = 9;
/// Why a worker of `on_disconnect=stop` ends a command.
const CUT_OFF: &str = "no coordinator answered its worker for too long, which stopped it";
/// How a shell says that its command died of SIGKILL.
const SHELL_SIGKILL: i32 = 128 + SIGKILL;

/// What ended a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended by itself.
    Itself,
    /// It ran too long.
    TimedOut(Duration),
    /// Somebody wished it.
    Stopped(Stop),
    /// It printed more than this many bytes on one stream and was not to.
    OverLimit(u64),
}

/// The outcome of a command that ran. `oom` says that memory ran out in the meantime.
pub(crate) fn of_command(end: End, status: ExitStatus, program: &Program, oom: bool) -> Outcome {
    let outcome = match end {
        End::TimedOut(timeout) => {
            let error = format!("ran longer than its timeout of {timeout:?} and was stopped");
            Outcome::failure(Cause::Timeout, error)
        }
        End::Stopped(Stop::Cancelled) => Outcome::failure(Cause::Cancelled, "was cancelled and stopped"),
        End::Stopped(Stop::Interrupted | Stop::Superseded) => {
            Outcome::failure(Cause::Interrupted, "the worker stopped before the command ended")
        }
        End::Stopped(Stop::Disconnected | Stop::Lapsed) => Outcome::failure(Cause::Interrupted, CUT_OFF),
        End::OverLimit(cap) => {
            let error = format!("printed more than {cap} bytes on one stream and was stopped");
            Outcome::failure(Cause::OutputLimit, error)
        }
        End::Itself => by_itself(status, program, oom),
    };
    Outcome { exit_code: status.code(), signal: status.signal(), ..outcome }
}

fn by_itself(status: ExitStatus, program: &Program, oom: bool) -> Outcome {
    let shell = matches!(program, Program::Command(_));
    match (status.code(), status.signal()) {
        (Some(0), _) => Outcome::success(),
        (Some(SHELL_SIGKILL), _) if oom && shell => out_of_memory(),
        (_, Some(SIGKILL)) if oom => out_of_memory(),
        (Some(code), _) => Outcome::failure(Cause::ExitCode, format!("exited with code {code}")),
        (None, Some(signal)) => {
            Outcome::failure(Cause::Signal, format!("killed by signal {signal}{}", signal_name(signal)))
        }
        (None, None) => Outcome::failure(Cause::Signal, "ended in a way that the kernel did not explain"),
    }
}

fn out_of_memory() -> Outcome {
    Outcome::failure(Cause::Oom, "killed by the kernel because memory ran out")
}

/// The outcome of an attempt that was stopped before its command was started.
pub(crate) fn of_unstarted(stop: Stop) -> Outcome {
    match stop {
        Stop::Cancelled => Outcome::failure(Cause::Cancelled, "was cancelled before it started"),
        Stop::Interrupted | Stop::Superseded => {
            Outcome::failure(Cause::Interrupted, "the worker stopped before the command started")
        }
        Stop::Disconnected | Stop::Lapsed => Outcome::failure(Cause::Interrupted, CUT_OFF),
    }
}

/// The outcome of an attempt that this worker failed to see through, by a mistake of its own.
pub(crate) fn of_panic() -> Outcome {
    Outcome::failure(Cause::Interrupted, "the worker failed while it ran the command, which it stopped")
}

/// The outcome of an attempt whose command could not be started.
pub(crate) fn of_spawn(error: SpawnError) -> Outcome {
    match error {
        // The task is not to blame, and may run elsewhere.
        SpawnError::Busy(error) => Outcome::failure(
            Cause::Interrupted,
            bounded(format!("the worker's machine has no room for another process: {error}")),
        ),
        SpawnError::Failed { error, for_good } => {
            Outcome { final_failure: for_good, ..Outcome::failure(Cause::SpawnFailed, bounded(error)) }
        }
    }
}

/// What the kernel accounted, with the peak of memory as far as it is the command's own.
pub(crate) fn usage(used: &ResUse, max_rss_bytes: Option<u64>) -> Usage {
    Usage { max_rss_bytes, cpu_user: used.rusage.utime, cpu_system: used.rusage.stime }
}

/// Fails a success whose output is not whole, for a task that wants it so.
pub(crate) fn unkept(outcome: &mut Outcome, failure: &str) {
    if outcome.cause.is_none() {
        let error = bounded(format!("its output cannot be kept: {failure}"));
        let failed = Outcome::failure(Cause::OutputLimit, error);
        *outcome = Outcome { cause: failed.cause, error: failed.error, ..outcome.clone() };
    }
}

/// Adds a remark to a failure; a success needs none.
pub(crate) fn remark(outcome: &mut Outcome, remark: &str) {
    if let Some(error) = outcome.error.take() {
        outcome.error = Some(bounded(format!("{error}; {remark}")));
    }
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_ERROR));
    text
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        14 => " (SIGALRM)",
        15 => " (SIGTERM)",
        24 => " (SIGXCPU)",
        25 => " (SIGXFSZ)",
        31 => " (SIGSYS)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(end: End, raw: i32, oom: bool) -> Option<Cause> {
        let shell = Program::Command("x".to_owned());
        of_command(end, ExitStatus::from_raw(raw), &shell, oom).cause
    }

    #[test]
    fn each_end_has_its_cause() {
        assert_eq!(named(End::Itself, 0, true), None);
        assert_eq!(named(End::Itself, 3 << 8, true), Some(Cause::ExitCode));
        assert_eq!(named(End::Itself, 11, true), Some(Cause::Signal));
        assert_eq!(named(End::Itself, 9, false), Some(Cause::Signal));
        assert_eq!(named(End::Itself, 9, true), Some(Cause::Oom));
        assert_eq!(named(End::Itself, 137 << 8, true), Some(Cause::Oom));
        assert_eq!(named(End::Itself, 137 << 8, false), Some(Cause::ExitCode));
        assert_eq!(named(End::TimedOut(Duration::from_secs(1)), 9, true), Some(Cause::Timeout));
        assert_eq!(named(End::Stopped(Stop::Cancelled), 0, false), Some(Cause::Cancelled));
        assert_eq!(named(End::Stopped(Stop::Interrupted), 15, false), Some(Cause::Interrupted));
        assert_eq!(named(End::Stopped(Stop::Disconnected), 9, false), Some(Cause::Interrupted));
        assert_eq!(named(End::OverLimit(5), 15, false), Some(Cause::OutputLimit));
    }

    #[test]
    fn an_error_text_is_bounded_on_a_character() {
        let mut outcome = of_spawn(SpawnError::Failed { error: "ü".repeat(9000), for_good: true });
        remark(&mut outcome, "more");
        assert!(outcome.error.unwrap().len() <= MAX_ERROR);
    }
}
