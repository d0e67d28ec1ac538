//! Words a failure to start a command: which of program, interpreter, directory and size is at fault, and
//! whether trying again can help.

use std::io;
use std::path::Path;

use distrack_core::Program;
use rustix::io::Errno;

use crate::spawn::{Launch, SpawnError};

/// What a failed spawn means.
pub(crate) fn spawn_error(error: io::Error, launch: &Launch) -> SpawnError {
    let Some(errno) = Errno::from_io_error(&error) else {
        return for_good(format!("the command cannot be started: {error}"));
    };
    match errno {
        Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE => SpawnError::Busy(error),
        Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::PERM => {
            for_good(directory_fault(launch).unwrap_or_else(|| program_fault(errno, &error, launch)))
        }
        Errno::TOOBIG => for_good("command and environment are too long for the kernel (E2BIG)".to_owned()),
        Errno::NOEXEC => {
            for_good(format!("`{}` is not a program that this machine can run (ENOEXEC)", name(launch)))
        }
        _ => SpawnError::Failed { error: format!("the command cannot be started: {error}"), for_good: false },
    }
}

/// A program that is nowhere in the command's `PATH`.
pub(crate) fn not_found(program: &str, launch: &Launch) -> SpawnError {
    let path = launch.env.get("PATH").map_or("(not set)", String::as_str);
    for_good(
        directory_fault(launch)
            .unwrap_or_else(|| format!("program `{program}` not found in PATH={path} (ENOENT)")),
    )
}

/// A program that may not be run.
pub(crate) fn not_executable(path: &Path) -> SpawnError {
    for_good(format!("program `{}` is not executable (EACCES)", path.display()))
}

fn program_fault(errno: Errno, error: &io::Error, launch: &Launch) -> String {
    let name = name(launch);
    match errno {
        Errno::NOENT if Path::new(name).exists() => {
            format!("the interpreter that `{name}` names does not exist (ENOENT)")
        }
        Errno::NOENT => format!("program `{name}` does not exist (ENOENT)"),
        Errno::ACCESS => format!("program `{name}` is not executable (EACCES)"),
        _ => format!("program `{name}` cannot be started: {error}"),
    }
}

/// The kernel does not tell whether it was the directory or the program.
fn directory_fault(launch: &Launch) -> Option<String> {
    let cwd = launch.cwd.as_deref()?;
    let shown = cwd.display();
    match cwd.metadata() {
        Err(error) => Some(format!("working directory `{shown}` cannot be used: {error}")),
        Ok(meta) if !meta.is_dir() => {
            Some(format!("working directory `{shown}` is not a directory (ENOTDIR)"))
        }
        Ok(_) => rustix::fs::access(cwd, rustix::fs::Access::EXEC_OK)
            .is_err()
            .then(|| format!("working directory `{shown}` may not be entered (EACCES)")),
    }
}

fn name(launch: &Launch) -> &str {
    match &launch.program {
        Program::Command(_) => "/bin/sh",
        Program::Argv(argv) => argv.first().map_or("", String::as_str),
    }
}

fn for_good(error: String) -> SpawnError {
    SpawnError::Failed { error, for_good: true }
}
