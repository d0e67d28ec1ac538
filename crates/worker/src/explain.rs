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
        _ if is_busy(&error) => SpawnError::Busy(error),
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

/// Whether the machine, or a limit that others count against, has no room now.
pub(crate) fn is_busy(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE))
}

/// What it means that the starter of a command cannot be started: nothing that the command is to blame for,
/// unless it cannot even be said what it is.
pub(crate) fn starter_error(error: io::Error, launch: &Launch) -> SpawnError {
    if error.kind() == io::ErrorKind::InvalidInput {
        spawn_error(error, launch)
    } else if is_busy(&error) {
        SpawnError::Busy(error)
    } else {
        SpawnError::Failed { error: format!("the command's starter cannot be run: {error}"), for_good: false }
    }
}

/// A directory that the user of the command cannot use.
pub(crate) fn directory_error(error: &io::Error, launch: &Launch) -> SpawnError {
    let shown = launch.cwd.as_deref().unwrap_or(Path::new(".")).display();
    for_good(
        directory_fault(launch)
            .unwrap_or_else(|| format!("working directory `{shown}` cannot be used: {error}")),
    )
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::assignment;

    #[test]
    fn a_machine_without_room_is_busy_and_a_command_that_can_never_start_fails_for_good() {
        let launch = Launch::new(&assignment("true"), &[].into(), &Arc::default());
        let of = |errno: Errno| spawn_error(errno.into(), &launch);
        for errno in [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE] {
            assert!(matches!(of(errno), SpawnError::Busy(_)), "{errno}");
            assert!(matches!(starter_error(errno.into(), &launch), SpawnError::Busy(_)), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::TOOBIG, Errno::NOEXEC] {
            assert!(matches!(of(errno), SpawnError::Failed { for_good: true, .. }), "{errno}");
            // Our own program is at fault, not the command.
            let starter = starter_error(errno.into(), &launch);
            assert!(matches!(starter, SpawnError::Failed { for_good: false, .. }), "{errno}");
        }
    }
}
