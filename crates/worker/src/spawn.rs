//! Starts one process. Blocks for as long as the kernel takes.
//!
//! Everything here keeps to what lets the standard library use `posix_spawn`: the program is always a path,
//! and nothing is to run between fork and exec. With a fork the cost grows with the worker's memory.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use distrack_core::{AttemptRef, Program};

use crate::assignment::Assignment;
use crate::isolation::Isolation;
use crate::isolation::cgroup::AttemptGroup;
use crate::settings::DEFAULT_PATH;
use crate::{explain, hardening};

/// What a process is started from.
#[derive(Clone)]
pub(crate) struct Launch {
    /// What to run.
    pub(crate) program: Program,
    /// Its whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Where; the worker's own directory when `None`.
    pub(crate) cwd: Option<PathBuf>,
    /// For which attempt.
    pub(crate) attempt: AttemptRef,
    /// What it may do.
    isolation: Arc<Isolation>,
    /// Why the policy refuses the variables that the task brought.
    refused: Option<String>,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Started {
    /// Itself.
    pub(crate) child: Child,
    /// Its control group, if it has one of its own.
    pub(crate) contained: Option<AttemptGroup>,
}

impl fmt::Debug for Launch {
    /// The names of the variables alone: some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
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
    /// What `assignment` asks for, in the clean environment `base`, held to `isolation`.
    pub(crate) fn new(
        assignment: &Assignment,
        base: &BTreeMap<String, String>,
        isolation: &Arc<Isolation>,
    ) -> Self {
        let brought = assignment.spec.env.keys().chain(assignment.spec.env_secret.keys());
        let refused = isolation.policy.as_ref().and_then(|policy| policy.admit_env(brought).err());
        let mut env = base.clone();
        env.extend(assignment.spec.env.clone());
        let secrets = assignment.spec.env_secret.iter();
        env.extend(secrets.map(|(name, secret)| (name.clone(), secret.expose().to_owned())));
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
            attempt: assignment.attempt,
            isolation: Arc::clone(isolation),
            refused,
        }
    }

    /// Starts it in a process group of its own, with both outputs piped.
    pub(crate) fn spawn(&self) -> Result<Started, SpawnError> {
        let (program, arguments) = self.resolve()?;
        if self.isolation.no_new_privs {
            hardening::no_new_privs();
        }
        if let Some(shim) = &self.isolation.shim {
            let (child, contained) = shim.start(self, &program, arguments)?;
            return Ok(Started { child, contained });
        }
        let (name, rest) = arguments.split_first().ok_or_else(nothing_to_run)?;
        let mut command = Command::new(program);
        command.arg0(name).args(rest);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let child = command
            .env_clear()
            .envs(&self.env)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| explain::spawn_error(error, self))?;
        Ok(Started { child, contained: None })
    }

    /// The file to run and its arguments, the first of which is its name.
    fn resolve(&self) -> Result<(PathBuf, Vec<String>), SpawnError> {
        if let Some(policy) = &self.isolation.policy {
            let admitted = self.refused.clone().map_or(Ok(()), Err);
            let admitted = admitted.and_then(|()| policy.admit(&self.program, self.cwd.as_deref()));
            let file = admitted.map_err(|error| SpawnError::Failed { error, for_good: true })?;
            let mut arguments = self.arguments();
            if let Some(name) = arguments.first_mut() {
                *name = file.to_string_lossy().into_owned();
            }
            return Ok((file, arguments));
        }
        let file = match &self.program {
            Program::Command(_) => PathBuf::from("/bin/sh"),
            Program::Argv(argv) => self.find(argv.first().ok_or_else(nothing_to_run)?)?,
        };
        Ok((file, self.arguments()))
    }

    fn arguments(&self) -> Vec<String> {
        match &self.program {
            Program::Command(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            Program::Argv(argv) => argv.clone(),
        }
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

fn nothing_to_run() -> SpawnError {
    SpawnError::Failed { error: "there is no program to run".to_owned(), for_good: true }
}
