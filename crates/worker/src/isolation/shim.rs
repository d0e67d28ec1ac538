//! Starts a command by way of a [starter](super::starter), and hears from it whether that worked.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use distrack_core::{AttemptRef, TaskId};

use super::cgroup::{AttemptGroup, Cgroups};
use super::limits::Limits;
use super::order::{Ids, Order};
use super::starter::{FAILED, READY, STARTER, Step};
use crate::explain;
use crate::orphans::Running;
use crate::spawn::{Launch, SpawnError};

/// How long a starter may take for a step; it waits for nothing but the disk.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// What is set for each attempt.
#[derive(Debug)]
pub(crate) struct Shim {
    starter: PathBuf,
    groups: Option<Cgroups>,
    limits: Limits,
    user: Option<Ids>,
}

/// What a starter said.
#[derive(Debug)]
enum Answer {
    Started,
    Failed(Option<Step>, io::Error),
}

impl Shim {
    /// Starts by `starter`, with the limits that no group holds.
    pub(super) fn new(starter: PathBuf, groups: Option<Cgroups>, limits: Limits, user: Option<Ids>) -> Self {
        Self { starter, groups, limits, user }
    }

    /// Does everything but start a command, so that what cannot work is said at once.
    pub(super) fn try_it(&self) -> Result<(), String> {
        // Whoever ends what escaped leaves alone what could be of an attempt that runs.
        let _running = Running::new(AttemptRef { task: TaskId::new(), epoch: 0 });
        let group = self.groups.as_ref().map(|groups| groups.attempt("trial")).transpose();
        let group = group.map_err(|error| format!("a control group cannot be made: {error}"))?;
        let (mut child, answer) = self.ask(&self.order(group.as_ref())).map_err(|error| error.to_string())?;
        let _ = child.wait();
        match answer {
            Answer::Started => Ok(()),
            Answer::Failed(step, error) => Err(format!("the {} cannot be set: {error}", name(step))),
        }
    }

    /// Starts `launch` as `program`.
    pub(crate) fn start(
        &self,
        launch: &Launch,
        program: &Path,
        arguments: Vec<String>,
    ) -> Result<(Child, Option<AttemptGroup>), SpawnError> {
        let AttemptRef { task, epoch } = launch.attempt;
        let group = self.groups.as_ref().map(|groups| groups.attempt(&format!("{task}-{epoch}"))).transpose();
        let group = group.map_err(|error| unset("control group", &error))?;
        let order = Order {
            program: Some(program.to_owned()),
            arguments,
            env: launch.env.clone(),
            cwd: launch.cwd.clone(),
            ..self.order(group.as_ref())
        };
        let (mut child, answer) = self.ask(&order).map_err(|error| explain::starter_error(error, launch))?;
        match answer {
            Answer::Started => Ok((child, group)),
            Answer::Failed(step, error) => {
                // It ends by itself, unless it hangs.
                let _ = child.kill();
                let _ = child.wait();
                Err(match step {
                    Some(Step::Program) => explain::spawn_error(error, launch),
                    Some(Step::Cwd) => explain::directory_error(&error, launch),
                    _ if explain::is_busy(&error) => SpawnError::Busy(error),
                    step => unset(name(step), &error),
                })
            }
        }
    }

    fn order(&self, group: Option<&AttemptGroup>) -> Order {
        Order {
            cgroup: group.map(|group| group.path().to_owned()),
            limits: self.limits,
            user: self.user.clone(),
            ..Order::default()
        }
    }

    fn ask(&self, order: &Order) -> io::Result<(Child, Answer)> {
        let order = order.encode()?;
        let (mut ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.starter)
            .arg0("distrack")
            .arg(STARTER)
            .env_clear()
            .process_group(0)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let answer = hear(&mut ours, &order).unwrap_or_else(|error| Answer::Failed(None, ended(error)));
        Ok((child, answer))
    }
}

fn hear(channel: &mut UnixStream, order: &[u8]) -> io::Result<Answer> {
    channel.set_write_timeout(Some(ANSWERS_WITHIN))?;
    channel.set_read_timeout(Some(ANSWERS_WITHIN))?;
    channel.write_all(order)?;
    channel.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    // Ends when the command has taken its place, since what it speaks through closes then.
    channel.read_to_end(&mut answer)?;
    let failure = match answer.as_slice() {
        [READY] => return Ok(Answer::Started),
        [READY, FAILED, failure @ ..] | [FAILED, failure @ ..] => String::from_utf8_lossy(failure),
        _ => return Err(io::ErrorKind::BrokenPipe.into()),
    };
    let (errno, step) = failure.split_once(' ').unwrap_or_default();
    let error = match errno.parse() {
        Ok(0) | Err(_) => io::Error::other("of an unknown error"),
        Ok(errno) => io::Error::from_raw_os_error(errno),
    };
    Ok(Answer::Failed(Step::named(step), error))
}

/// What it means that nobody is at the other end.
fn ended(error: io::Error) -> io::Error {
    if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        return io::Error::other("it ended before it could tell why");
    }
    error
}

fn name(step: Option<Step>) -> &'static str {
    step.map_or("starter", Step::name)
}

/// A command never runs with less than it should: it may elsewhere.
fn unset(what: &str, error: &io::Error) -> SpawnError {
    SpawnError::Failed { error: format!("the command's {what} cannot be set: {error}"), for_good: false }
}
