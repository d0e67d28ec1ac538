//! Whether the kernel killed something for want of memory, as far as this worker's control group tells.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The out-of-memory kills in the control group (v2) that the worker and its commands live in.
#[derive(Debug)]
pub(crate) struct OomWatch {
    events: Option<File>,
}

impl OomWatch {
    /// Watches the worker's own group; tells nothing where there is none.
    pub(crate) fn open() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").ok();
        let path = own.and_then(|text| events_file(&text));
        Self { events: path.and_then(|path| File::open(path).ok()) }
    }

    /// How many there were since the group was made; 0 when nobody can tell.
    pub(crate) fn kills(&self) -> u64 {
        let mut text = [0; 512];
        let read = self.events.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
        std::str::from_utf8(&text[..read]).ok().and_then(oom_kills).unwrap_or(0)
    }
}

fn events_file(own_groups: &str) -> Option<PathBuf> {
    let group = own_groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(PathBuf::from("/sys/fs/cgroup").join(group).join("memory.events"))
}

/// How many kills `memory.events` tells of.
pub(crate) fn oom_kills(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(oom_kills(events), Some(2));
        assert_eq!(oom_kills("max 1\n"), None);
        let path = events_file("1:cpu:/x\n0::/system.slice/distrack.service\n").unwrap();
        assert_eq!(path.to_str(), Some("/sys/fs/cgroup/system.slice/distrack.service/memory.events"));
        assert_eq!(events_file("1:cpu:/x\n"), None);
    }

    #[test]
    fn where_nobody_can_tell_there_were_none() {
        assert_eq!(OomWatch { events: None }.kills(), 0);
    }
}
