//! What the kernel tells of other processes, and signals that cannot hit a stranger.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

/// The most of an environment that is read: more than the kernel lets a command have by default.
const MOST_ENVIRON: u64 = 8 * 1024 * 1024;

/// A line of `/proc/<pid>/stat`, as far as anybody here cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Whether it has ended, and only waits to be reaped.
    pub(crate) dead: bool,
    /// Its parent.
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// When it started, in ticks since the boot: with its number, that names one process for ever.
    pub(crate) since: u64,
}

impl Stat {
    /// Of a process, if it is there.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads `pid (name) state parent group …`; a name may hold anything.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (_, fields) = line.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let dead = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { dead, parent, group, since: fields.nth(16)?.parse().ok()? })
    }
}

/// Every process there is; none where nobody can tell.
pub(crate) fn all() -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// This process and those that it descends from.
pub(crate) fn lineage() -> BTreeSet<i32> {
    let mut line = BTreeSet::new();
    let mut next = Some(rustix::process::getpid().as_raw_nonzero().get());
    // A number that comes twice would be one that was given anew meanwhile.
    while let Some(pid) = next.filter(|pid| *pid > 0 && line.insert(*pid)) {
        next = Stat::of(pid).map(|stat| stat.parent);
    }
    line
}

/// The value of a variable in the environment that a process was started with; none of a dead one, nor of one
/// that belongs to somebody else.
pub(crate) fn variable(pid: i32, name: &str) -> Option<Vec<u8>> {
    let mut environ = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(MOST_ENVIRON).read_to_end(&mut environ).ok()?;
    find(&environ, name).map(<[u8]>::to_vec)
}

/// The value of a variable in `NAME=value` texts, each of which a NUL ends.
fn find<'a>(environ: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environ.split(|byte| *byte == 0).find_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// A process that is held by more than its number, which may be given to another one.
#[derive(Debug)]
pub(crate) struct Grasp {
    pid: Pid,
    held: OwnedFd,
}

impl Grasp {
    /// Takes hold of a process; what is to be known of it must be asked after this.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        Some(Self { pid, held: pidfd_open(pid, PidfdFlags::empty()).ok()? })
    }

    /// Kills it, with its whole group if it leads one.
    pub(crate) fn kill(&self) {
        let pid = self.pid.as_raw_nonzero().get();
        if Stat::of(pid).is_some_and(|stat| !stat.dead && stat.group == pid) {
            // That it is gone already is no error.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        let _ = pidfd_send_signal(&self.held, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "12 (a) b) (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 7788 1 2";
        let stat = Stat { dead: false, parent: 1, group: 7, since: 7788 };
        assert_eq!(Stat::read(line), Some(stat));
        assert_eq!(Stat::read(&line.replace(" S ", " Z ")), Some(Stat { dead: true, ..stat }));
        assert_eq!(Stat::read(""), None);
    }

    #[test]
    fn this_process_is_found_with_its_parents() {
        let line = lineage();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert!(line.contains(&own) && line.contains(&Stat::of(own).unwrap().parent), "{line:?}");
        assert!(all().contains(&own));
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name_alone() {
        let environ = b"XNAME=1\0NAMEX=2\0NAME=a=b\0NAME=c\0";
        assert_eq!(find(environ, "NAME"), Some(&b"a=b"[..]));
        assert_eq!(find(environ, "NAM"), None);
        assert_eq!(find(b"", "NAME"), None);
    }
}
