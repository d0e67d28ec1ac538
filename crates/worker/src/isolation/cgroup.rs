//! A control group (v2) for each attempt: its limits hold for all that a command starts, and whoever left the
//! process group is still in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::warn;

use super::limits::Limits;

/// The group that a worker steps aside into, since one with processes of its own gives its children nothing.
const ASIDE: &str = "distrack-worker";
/// How long a predecessor's processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// The group that a worker's attempts have theirs below.
#[derive(Debug)]
pub(crate) struct Cgroups {
    parent: PathBuf,
    memory: Option<u64>,
    processes: Option<u64>,
}

impl Cgroups {
    /// Makes it below the worker's own group, or says why it cannot. Whoever is left of a predecessor of the
    /// same `worker` is killed.
    pub(crate) fn open(worker: &str, limits: &Limits) -> Result<Self, String> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let base = own_group(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
            .ok_or_else(|| "there is no control group v2 here".to_owned())?;
        Self::below(&base, worker, limits)
    }

    fn below(base: &Path, worker: &str, limits: &Limits) -> Result<Self, String> {
        let parent = base.join(format!("distrack-{worker}"));
        let not = |error: io::Error| format!("{} is not delegated to this worker: {error}", base.display());
        if parent.exists() {
            clear(&parent);
        }
        match fs::create_dir(&parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(not(error)),
            _ => {}
        }
        if !parent.join("cgroup.kill").exists() {
            let _ = fs::remove_dir(&parent);
            return Err("the kernel is older than 5.14 and cannot kill a control group".to_owned());
        }
        let wanted = [("memory", limits.memory.is_some()), ("pids", limits.processes.is_some())];
        let mut enabled = [false; 2];
        for ((controller, _), enabled) in wanted.iter().zip(&mut enabled).filter(|((_, wanted), _)| *wanted) {
            let done = enable(base, controller).and_then(|()| enable(&parent, controller));
            match done {
                Ok(()) => *enabled = true,
                Err(error) => warn!(controller, %error, "a controller of control groups cannot be had"),
            }
        }
        let [memory, processes] = enabled;
        Ok(Self {
            parent,
            memory: limits.memory.filter(|_| memory),
            processes: limits.processes.filter(|_| processes),
        })
    }

    /// Of these limits, those that no group holds.
    pub(crate) fn rest(&self, limits: Limits) -> Limits {
        Limits {
            memory: limits.memory.filter(|_| self.memory.is_none()),
            processes: limits.processes.filter(|_| self.processes.is_none()),
            ..limits
        }
    }

    /// A new group, with its limits set and nobody in it.
    pub(crate) fn attempt(&self, name: &str) -> io::Result<AttemptGroup> {
        let path = self.parent.join(name);
        fs::create_dir(&path)?;
        let group = AttemptGroup { path };
        if let Some(memory) = self.memory {
            group.write("memory.max", &memory.to_string())?;
            // Not every kernel has these: then a command may swap, or lose only one of its processes.
            let _ = group.write("memory.swap.max", "0");
            let _ = group.write("memory.oom.group", "1");
        }
        if let Some(processes) = self.processes {
            group.write("pids.max", &processes.to_string())?;
        }
        Ok(group)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        clear(&self.parent);
    }
}

/// The group of one attempt. Whoever is in it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct AttemptGroup {
    path: PathBuf,
}

impl AttemptGroup {
    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Kills everybody in it, at once.
    pub(crate) fn kill(&self) {
        if let Err(error) = self.write("cgroup.kill", "1") {
            warn!(%error, group = %self.path.display(), "a control group cannot be killed");
        }
    }

    /// Whether the kernel killed anybody in it for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        crate::oom::oom_kills(&events).is_some_and(|kills| kills > 0)
    }

    /// Whether somebody in it lives; a zombie does not.
    pub(crate) fn is_populated(&self) -> bool {
        is_populated(&self.path)
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.path.join(file), text)
    }
}

impl Drop for AttemptGroup {
    fn drop(&mut self) {
        if fs::remove_dir(&self.path).is_err() {
            self.kill();
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn is_populated(group: &Path) -> bool {
    let events = fs::read_to_string(group.join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line == "populated 1")
}

/// Kills whoever is in a group or below it, and removes all of it. Blocks, within a limit.
fn clear(group: &Path) {
    if is_populated(group) {
        warn!(group = %group.display(), "commands are left in a control group, they are killed");
        let _ = fs::write(group.join("cgroup.kill"), "1");
    }
    let limit = std::time::Instant::now() + GONE_WITHIN;
    while is_populated(group) && std::time::Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        let _ = fs::remove_dir(below.path());
    }
    let _ = fs::remove_dir(group);
}

/// Lets the children of `group` have `controller`.
fn enable(group: &Path, controller: &str) -> io::Result<()> {
    let has = |file: &str| {
        let text = fs::read_to_string(group.join(file));
        text.map(|text| text.split_whitespace().any(|one| one == controller))
    };
    if has("cgroup.subtree_control")? {
        return Ok(());
    }
    if !has("cgroup.controllers")? {
        return Err(io::Error::other(format!("{} does not have it", group.display())));
    }
    let ask = || fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    match ask() {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            // It has processes of its own. If that is this one alone, it steps aside; others are not ours.
            let aside = group.join(ASIDE);
            let _ = fs::create_dir(&aside);
            fs::write(aside.join("cgroup.procs"), "0")?;
            ask().map_err(|error| {
                io::Error::other(format!("{} has other processes, too: {error}", group.display()))
            })
        }
        asked => asked,
    }
}

/// The folder of the group that this process is in, or was in before it stepped aside.
fn own_group(mounts: &str, groups: &str) -> Option<PathBuf> {
    let (root, mount) = mounts.lines().find_map(|line| {
        // `id parent device root mount options [more] - type source options`
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        (right.split(' ').next()? == "cgroup2").then_some((left.next()?, left.next()?))
    })?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = Path::new(own).strip_prefix(root).or_else(|_| Path::new(own).strip_prefix("/")).ok()?;
    let below = if below.ends_with(ASIDE) { below.parent()? } else { below };
    Some(Path::new(mount).join(below))
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
