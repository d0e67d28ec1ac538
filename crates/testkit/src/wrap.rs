//! Runs a command to its end on behalf of a wrapper program, passing on signals and the exit code.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::process_tree::signal_tree;

/// Runs `command` (program and arguments) with these variables added, and returns its exit code.
///
/// SIGINT and SIGTERM end the command and everything it started; a second one kills them. A command that a
/// signal ended gives 128 + the signal's number, as a shell does.
///
/// # Errors
/// If the command cannot be started.
pub async fn run_to_the_end(command: &[OsString], variables: &[(&str, String)]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command given")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let pid = Pid::from_child(&child);
    let mut end = tokio::task::spawn_blocking(move || child.wait());
    let mut strength = Signal::TERM;
    loop {
        tokio::select! {
            status = &mut end => return Ok(exit_code(status??)),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        signal_tree(pid, strength);
        strength = Signal::KILL;
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
