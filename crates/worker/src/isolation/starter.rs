//! The starter: a process of this program that gives up what its command must not have, then becomes it.
//!
//! A command gets one only where something is to be set for it alone: a control group, limits, a user. It is a
//! process of its own since nothing of ours may run between fork and exec; see `spawn.rs`.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{Gid, Uid, fchown};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::order::{Ids, Order};

/// The only argument with which this program is a starter.
pub const STARTER: &str = "__start-command";
/// What is said once all is set and the command is next.
pub(super) const READY: u8 = b'R';
/// What is said before a failure.
pub(super) const FAILED: u8 = b'E';

/// Which step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Order,
    Group,
    Limits,
    User,
    Cwd,
    Program,
}

impl Step {
    const ALL: [Self; 6] = [Self::Order, Self::Group, Self::Limits, Self::User, Self::Cwd, Self::Program];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Group => "control group",
            Self::Limits => "limits",
            Self::User => "user",
            Self::Cwd => "directory",
            Self::Program => "program",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

struct Failure(Step, io::Error);

/// Reads an order from standard input and becomes its command; returns only when it cannot.
pub fn start_command() -> ExitCode {
    let Ok(channel) = fcntl_dupfd_cloexec(io::stdin(), 3) else { return ExitCode::FAILURE };
    let mut channel = UnixStream::from(channel);
    match carry_out(&mut channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(step, error)) => {
            let errno = error.raw_os_error().unwrap_or(0);
            // Whoever should hear it may be gone.
            let _ = write!(channel, "{}{errno} {}", char::from(FAILED), step.name());
            ExitCode::FAILURE
        }
    }
}

fn carry_out(channel: &mut UnixStream) -> Result<(), Failure> {
    let at = |step| move |error: io::Error| Failure(step, error);
    let mut bytes = Vec::new();
    channel.read_to_end(&mut bytes).map_err(at(Step::Order))?;
    let order = Order::decode(&bytes)
        .ok_or_else(|| Failure(Step::Order, io::Error::from(io::ErrorKind::InvalidData)))?;
    if let Some(group) = &order.cgroup {
        fs::write(group.join("cgroup.procs"), "0").map_err(at(Step::Group))?;
    }
    order.limits.apply().map_err(at(Step::Limits))?;
    if let Some(user) = &order.user {
        become_user(user).map_err(at(Step::User))?;
    }
    // As that user: it must not see what it may not.
    if let Some(cwd) = &order.cwd {
        std::env::set_current_dir(cwd).map_err(at(Step::Cwd))?;
    }
    let command = order.program.as_ref().map(|program| {
        let mut command = Command::new(program);
        let (name, rest) = order.arguments.split_first().map_or(("", [].as_slice()), |(n, r)| (n, r));
        command.arg0(name).args(rest).env_clear().envs(&order.env).stdin(Stdio::null());
        command
    });
    // Last, since it may be less than this process has.
    order.limits.apply_memory().map_err(at(Step::Limits))?;
    channel.write_all(&[READY]).map_err(at(Step::Order))?;
    command.map_or(Ok(()), |mut command| Err(Failure(Step::Program, command.exec())))
}

/// Becomes a user for good, with that user's groups and without a capability.
fn become_user(user: &Ids) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    // A script that opens /dev/stderr opens the pipe anew, which only its owner may.
    let _ = fchown(io::stdout(), Some(uid), Some(gid));
    let _ = fchown(io::stderr(), Some(uid), Some(gid));
    let groups: Vec<_> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
    thread::set_thread_groups(&groups)?;
    thread::set_thread_res_gid(gid, gid, gid)?;
    thread::set_thread_res_uid(uid, uid, uid)?;
    // Only root loses them by itself: a worker may have been given some without being root.
    thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}
