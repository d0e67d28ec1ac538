//! The descendants of a process, from /proc.

use rustix::process::{Pid, Signal, kill_process};

/// Sends `signal` to a process and to everything it started, itself first.
///
/// Who has ended meanwhile is passed over.
pub(crate) fn signal_tree(root: Pid, signal: Signal) {
    let below = descendants(root);
    for pid in std::iter::once(root).chain(below) {
        let _ = kill_process(pid, signal);
    }
}

/// Returns the processes below `root`, parents before children.
pub(crate) fn descendants(root: Pid) -> Vec<Pid> {
    let parents = all_parents();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// Returns every process with its parent.
fn all_parents() -> Vec<(Pid, Pid)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, parent_in(&stat)?))
        })
        .collect()
}

/// Reads the parent from a line of `/proc/<pid>/stat`, whose second field may contain spaces and parentheses.
fn parent_in(stat: &str) -> Option<Pid> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_past_any_process_name() {
        assert_eq!(parent_in("12 (a) b (c)) S 7 12 12 0"), Pid::from_raw(7));
        assert_eq!(parent_in("12 (x"), None);
    }
}
