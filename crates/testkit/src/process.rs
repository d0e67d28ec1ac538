//! A real process of the released binary, which a test may kill, stop and start again as it likes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::environment;
use crate::eventually::eventually;
use crate::process_tree::signal_tree;

/// How to start a process.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What the process is called in messages.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, besides `PATH`: nothing else of the test's own environment reaches it.
    pub variables: Vec<(String, String)>,
    /// The folder it runs in, which exists.
    pub folder: PathBuf,
    /// The file to which both of its streams are appended.
    pub log_file: PathBuf,
}

impl Launch {
    /// Describes a process that runs in `folder`, with nothing in its environment and its log beside what it does.
    pub fn new(
        name: &str,
        program: impl Into<PathBuf>,
        arguments: &[impl AsRef<OsStr>],
        folder: impl Into<PathBuf>,
    ) -> Self {
        let folder = folder.into();
        Self {
            name: name.to_owned(),
            program: program.into(),
            arguments: arguments.iter().map(|argument| argument.as_ref().to_owned()).collect(),
            variables: Vec::new(),
            log_file: folder.join(format!("{name}.log")),
            folder,
        }
    }
}

/// A process that was started from a [`Launch`]; killed with everything below it on drop.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts the process.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(launch: Launch) -> Result<Self> {
        let process = Self { launch, child: Mutex::new(None) };
        process.start_again()?;
        Ok(process)
    }

    /// Starts the process again as it was first, after it has ended.
    ///
    /// # Errors
    /// If it still runs or cannot be started.
    pub fn start_again(&self) -> Result<()> {
        let Launch { name, program, arguments, variables, folder, log_file } = &self.launch;
        let mut child = self.child();
        if let Some(running) = child.as_mut() {
            ensure!(running.try_wait()?.is_some(), "{name} still runs");
        }
        let log = File::options().create(true).append(true).open(log_file)?;
        let started = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", environment::variable("PATH").unwrap_or_default())
            .env("HOME", folder)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        *child = Some(started.with_context(|| format!("cannot start {name} ({})", program.display()))?);
        Ok(())
    }

    /// Returns what the process is called.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Returns the process id of the current run, or of the last one.
    pub fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// Returns whether the process runs.
    pub fn is_running(&self) -> bool {
        self.ended().is_none()
    }

    /// Returns how the process ended, or `None` while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Kills the process with SIGKILL, and nothing that it started, and waits until it is gone.
    ///
    /// # Errors
    /// If it was never started.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child();
        let child = child.as_mut().with_context(|| format!("{} was never started", self.launch.name))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Stops the process with SIGSTOP: it is there, and answers nothing.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until the process has ended by itself or by a signal.
    ///
    /// # Panics
    /// If `limit` passes first, with the end of its log.
    pub async fn wait(&self, limit: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.launch.name);
        eventually(limit, what, || async { self.ended().with_context(|| self.log_tail()) }).await
    }

    /// Waits until the log contains `text`.
    ///
    /// # Panics
    /// If `limit` passes first, with the end of the log.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) {
        let what = format!("{text:?} in the log of {}", self.launch.name);
        let look = || async { self.log().contains(text).then_some(()).with_context(|| self.log_tail()) };
        eventually(limit, what, look).await;
    }

    /// Returns all that the process has printed, over all its runs.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.launch.log_file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the last lines that the process has printed, with its name, for a test's message.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
        format!("{} printed at last:\n{}", self.launch.name, last.join("\n"))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child();
        let name = &self.launch.name;
        let child = child.as_mut().with_context(|| format!("{name} was never started"))?;
        if let Some(status) = child.try_wait()? {
            bail!("{name} has ended ({status})");
        }
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(child) = self.child.get_mut().unwrap_or_else(PoisonError::into_inner) else {
            return;
        };
        if matches!(child.try_wait(), Ok(None)) {
            signal_tree(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
