//! What one command and all that it starts may use, and the resource limits by which a kernel holds it to that.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How much a command may use; `None` is no limit of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory: of all its processes together in a control group, else of the addresses of each.
    pub memory: Option<u64>,
    /// Processes and threads: its own in a control group, else all of its user.
    pub processes: Option<u64>,
    /// Bytes of the largest file it may write.
    pub file_size: Option<u64>,
    /// Seconds of processor time of each of its processes.
    pub cpu_seconds: Option<u64>,
    /// Files that each of its processes may have open.
    pub open_files: Option<u64>,
}

impl Limits {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Holds this process to all but memory.
    pub(crate) fn apply(&self) -> io::Result<()> {
        at_most(Resource::Fsize, self.file_size, 0)?;
        // A second between the signal that can be caught and the one that cannot.
        at_most(Resource::Cpu, self.cpu_seconds, 1)?;
        at_most(Resource::Nofile, self.open_files, 0)?;
        at_most(Resource::Nproc, self.processes, 0)
    }

    /// Holds this process to its memory, of which it may have more already.
    pub(crate) fn apply_memory(&self) -> io::Result<()> {
        at_most(Resource::As, self.memory, 0)
    }
}

/// Lowers a limit, for good. Never raises one.
fn at_most(resource: Resource, limit: Option<u64>, beyond: u64) -> io::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = most.min(limit.saturating_add(beyond));
    setrlimit(resource, Rlimit { current: Some(limit.min(maximum)), maximum: Some(maximum) })?;
    Ok(())
}
