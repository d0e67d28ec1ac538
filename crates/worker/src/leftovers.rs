//! What an earlier process of this worker left running, which is ended before this one takes work: what it ran
//! is lost and will run again, and must not run beside itself.
//!
//! Each command carries the mark of its worker in its environment, and so does whatever it starts, in whichever
//! process group or session; unless it clears its environment.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::identity::Identity;
use crate::proc::{self, Grasp};

/// The variable that carries the mark.
pub(crate) const MARK: &str = "DISTRACK_WORKER";
/// How long what was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The mark of a worker: its id, and of which state directory. Another worker may have a copy of that.
pub(crate) fn mark(identity: &Identity) -> String {
    format!("{}.{}", identity.worker, identity.place)
}

/// Kills every process with exactly this mark, this one and those that it descends from left out, and waits
/// until none is left. Blocks. Returns how many there were.
pub(crate) fn end(mark: &str) -> usize {
    let (began, spared) = (Instant::now(), proc::lineage());
    let mut killed = std::collections::BTreeSet::new();
    loop {
        let mut left = 0_usize;
        for pid in proc::all().into_iter().filter(|pid| !spared.contains(pid)) {
            let carries = || proc::variable(pid, MARK).is_some_and(|found| found == mark.as_bytes());
            if !carries() {
                continue;
            }
            // Looked at again in its grasp: its number may be another one's by now.
            if let Some(process) = Grasp::of(pid).filter(|_| carries()) {
                process.kill();
                killed.insert(pid);
                left += 1;
            }
        }
        if left == 0 {
            break;
        }
        if began.elapsed() > GONE_WITHIN {
            warn!(left, "processes that an earlier run of this worker left cannot be killed");
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    if !killed.is_empty() {
        info!(killed = killed.len(), "killed what an earlier run of this worker left running");
    }
    killed.len()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn start(line: &str, mark: Option<&str>) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command.envs(mark.map(|mark| (MARK, mark))).spawn().unwrap()
    }

    #[test]
    fn whatever_carries_the_mark_is_killed_and_nothing_else() {
        let mark = uuid::Uuid::now_v7().to_string();
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        // One that has left its group and session, and whose parent is gone.
        let line =
            format!("setsid sh -c 'echo $$ >{0}.new; mv {0}.new {0}; exec sleep 60' &", pid_file.display());
        start(&line, Some(&mark)).wait().unwrap();
        let mut plain = start("exec sleep 60", Some(&mark));
        let mut strangers = [start("exec sleep 60", None), start("exec sleep 60", Some(&format!("{mark}0")))];
        let limit = Instant::now() + Duration::from_secs(15);
        while !pid_file.exists() {
            assert!(Instant::now() < limit, "the daemon does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        let daemon: i32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
        assert_eq!(end(&mark), 2);
        assert!(proc::Stat::of(daemon).is_none_or(|stat| stat.dead), "the daemon lives");
        assert!(plain.wait().unwrap().code().is_none());
        for stranger in &mut strangers {
            assert_eq!(stranger.try_wait().unwrap(), None, "a stranger was killed");
            stranger.kill().unwrap();
            stranger.wait().unwrap();
        }
        assert_eq!(end(&mark), 0);
    }
}
