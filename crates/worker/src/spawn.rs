//! Starts one process. Blocks for as long as the kernel takes.
//!
//! Everything here keeps to what lets the standard library use `posix_spawn`: the program is always a path,
//! and nothing is to run between fork and exec. With a fork the cost grows with the worker's memory.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use distrack_core::Program;

use crate::assignment::Assignment;
use crate::explain;
use crate::settings::DEFAULT_PATH;

/// What a process is started from.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// What to run.
    pub(crate) program: Program,
    /// Its whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Where; the worker's own directory when `None`.
    pub(crate) cwd: Option<PathBuf>,
}

/// Why a process could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// The machine has no room for it now.
    Busy(io::Error),
    /// It cannot be started.
    Failed {
        /// What stands in the way, for a person.
        error: String,
        /// Whether it will stand there the next time.
        for_good: bool,
    },
}

impl Launch {
    /// What `assignment` asks for, in the clean environment `base`.
    pub(crate) fn new(assignment: &Assignment, base: &BTreeMap<String, String>) -> Self {
        let mut env = base.clone();
        env.extend(assignment.spec.env.clone());
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
        set("DISTRACK_TASK_ID", assignment.attempt.task.to_string());
        set("DISTRACK_ATTEMPT", assignment.number.to_string());
        set("DISTRACK_EPOCH", assignment.attempt.epoch.to_string());
        if let Some(trace) = &assignment.trace {
            set("TRACEPARENT", trace.traceparent());
            if !trace.state.is_empty() {
                set("TRACESTATE", trace.state.clone());
            }
        }
        Self {
            program: assignment.spec.program.clone(),
            env,
            cwd: assignment.spec.cwd.as_ref().map(PathBuf::from),
        }
    }

    /// Starts it in a process group of its own, with both outputs piped.
    pub(crate) fn spawn(&self) -> Result<Child, SpawnError> {
        let mut command = match &self.program {
            Program::Command(line) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(line);
                shell
            }
            Program::Argv(argv) => {
                let (name, arguments) = argv.split_first().ok_or_else(|| SpawnError::Failed {
                    error: "there is no program to run".to_owned(),
                    for_good: true,
                })?;
                let mut command = Command::new(self.find(name)?);
                command.arg0(name).args(arguments);
                command
            }
        };
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
            .env_clear()
            .envs(&self.env)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| explain::spawn_error(error, self))
    }

    /// The path of a program, by the `PATH` that it will see itself.
    fn find(&self, name: &str) -> Result<PathBuf, SpawnError> {
        if name.contains('/') {
            return Ok(PathBuf::from(name));
        }
        let mut forbidden = None;
        for dir in self.env.get("PATH").map_or(DEFAULT_PATH, String::as_str).split(':') {
            // An entry that is empty or relative starts from where the command will run.
            let dir = Path::new(if dir.is_empty() { "." } else { dir });
            let seen = self.cwd.as_deref().unwrap_or(Path::new(".")).join(dir).join(name);
            if !seen.is_file() {
                continue;
            }
            let path = dir.join(name);
            if rustix::fs::access(&seen, rustix::fs::Access::EXEC_OK).is_ok() {
                return Ok(path);
            }
            forbidden.get_or_insert(path);
        }
        // Left to the kernel, so that one place words it.
        Err(match forbidden {
            Some(path) => explain::not_executable(&path),
            None => explain::not_found(name, self),
        })
    }
}
