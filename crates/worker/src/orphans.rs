//! Processes that outlive their attempt because they left its process group, such as daemons.
//!
//! The worker's process adopts whatever loses its parent below it, so that nobody slips away by that. One thread
//! of the process looks at its children now and then: a command that is led is left alone, an adopted process is
//! killed once every attempt that it may belong to has ended, and buried when it is dead. All of this is about
//! the process and not about one worker, of which it may have several.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use distrack_core::AttemptRef;
use prometheus::IntCounter;
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use tracing::{error, info, warn};

use crate::proc::{self, Grasp, Stat};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a dead child must be met before it is buried: one that has only just been started is led in a
/// moment, and whoever leads it will want to know how it ended.
const MEETINGS: u32 = 3;
/// How often to look again at once, since what was killed may leave children of its own.
const ROUNDS: u32 = 20;
const ROUND: Duration = Duration::from_millis(5);

/// The attempts that run in this process, and the commands that it leads, by how many hold the number.
static RUNNING: Mutex<BTreeSet<AttemptRef>> = Mutex::new(BTreeSet::new());
static LED: Mutex<BTreeMap<i32, u32>> = Mutex::new(BTreeMap::new());
/// What is known of adopted processes.
static KNOWN: Mutex<Known> = Mutex::new(Known(BTreeMap::new()));
static ADOPTS: AtomicBool = AtomicBool::new(false);

/// An attempt that runs, until it is dropped. Must be there before its command is.
#[derive(Debug)]
pub(crate) struct Running(AttemptRef);

/// A command that is led, until it is dropped: after it was reaped.
#[derive(Debug)]
pub(crate) struct Led(i32);

impl Running {
    /// It runs from now on.
    pub(crate) fn new(attempt: AttemptRef) -> Self {
        lock(&RUNNING).insert(attempt);
        Self(attempt)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&RUNNING).remove(&self.0);
    }
}

impl Led {
    /// The process of this number is led from now on.
    pub(crate) fn new(pid: i32) -> Self {
        *lock(&LED).entry(pid).or_default() += 1;
        Self(pid)
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        let mut led = lock(&LED);
        // Another one may have got the number between the reaping and this.
        if let Some(count) = led.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                led.remove(&self.0);
            }
        }
    }
}

/// Whether this process is given what loses its parent, and must bury it.
pub(crate) fn are_ours() -> bool {
    ADOPTS.load(Ordering::Relaxed) || getpid().is_init()
}

/// Adopts from now on, and looks after what is adopted until the process ends. Only for a process all of whose
/// children are commands of its workers. `escaped` counts what was killed.
pub(crate) fn adopt(escaped: IntCounter) {
    if ADOPTS.swap(true, Ordering::SeqCst) {
        return;
    }
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        ADOPTS.store(false, Ordering::SeqCst);
        warn!(%error, "processes that leave their command's group cannot be followed");
        return;
    }
    let look = move || {
        loop {
            std::thread::sleep(LOOK_EVERY);
            escaped.inc_by(lock(&KNOWN).look());
        }
    };
    if let Err(error) = std::thread::Builder::new().name("orphans".to_owned()).spawn(look) {
        error!(%error, "processes that leave their command's group are not looked for");
    }
}

/// Looks now, if it is done at all. Blocks for a moment.
pub(crate) fn look() {
    if ADOPTS.load(Ordering::SeqCst) {
        lock(&KNOWN).look();
    }
}

/// By number and start, what an adopted process may belong to, and how often it was met dead.
#[derive(Debug)]
struct Known(BTreeMap<(i32, u64), Adopted>);

#[derive(Debug)]
struct Adopted {
    owners: BTreeSet<AttemptRef>,
    met_dead: u32,
}

impl Known {
    /// Returns how many were killed.
    fn look(&mut self) -> u64 {
        let mut killed = BTreeSet::new();
        for _ in 0..ROUNDS {
            let before = killed.len();
            self.round(&mut killed);
            if killed.len() == before {
                break;
            }
            std::thread::sleep(ROUND);
        }
        killed.len() as u64
    }

    fn round(&mut self, killed: &mut BTreeSet<(i32, u64)>) {
        let children = children();
        // After the children: whatever was started before them is among these, unless it has ended.
        let led = lock(&LED).clone();
        let running = lock(&RUNNING).clone();
        let adopted: Vec<_> = children
            .into_iter()
            .filter(|pid| !led.contains_key(pid))
            .filter_map(|pid| Some((pid, Stat::of(pid)?)))
            .collect();
        self.0.retain(|key, _| adopted.iter().any(|(pid, stat)| (*pid, stat.since) == *key));
        for (pid, stat) in adopted {
            let key = (pid, stat.since);
            let known = self.0.entry(key).or_insert_with(|| Adopted { owners: running.clone(), met_dead: 0 });
            if stat.dead {
                known.met_dead += 1;
                if known.met_dead >= MEETINGS || killed.contains(&key) {
                    bury(pid);
                }
                continue;
            }
            let owner = owner(pid);
            let ended = match owner {
                Some(owner) => !running.contains(&owner),
                // It has hidden whose it is: it may be of any attempt that ran when it was first met.
                None => known.owners.is_disjoint(&running),
            };
            if ended && end(pid, stat) {
                killed.insert(key);
                info!(
                    pid,
                    task_id = owner.map(|owner| owner.task.to_string()),
                    epoch = owner.map(|owner| owner.epoch),
                    "killed a process that had escaped from its command"
                );
            }
        }
    }
}

/// The attempt that an adopted process belongs to, by its environment. One that is only just being started has
/// this process's own for a moment, which says nothing, even where a command has started this worker.
fn owner(pid: i32) -> Option<AttemptRef> {
    static OWN: OnceLock<Option<AttemptRef>> = OnceLock::new();
    let own = OWN.get_or_init(|| named(getpid().as_raw_nonzero().get()));
    named(pid).filter(|owner| Some(*owner) != *own)
}

fn named(pid: i32) -> Option<AttemptRef> {
    let text = |name| String::from_utf8(proc::variable(pid, name)?).ok();
    let (task, epoch) = (text("DISTRACK_TASK_ID")?, text("DISTRACK_EPOCH")?);
    Some(AttemptRef { task: task.parse().ok()?, epoch: epoch.parse().ok()? })
}

/// Kills an adopted process, if it still is that one.
fn end(pid: i32, stat: Stat) -> bool {
    let own = getpid().as_raw_nonzero().get();
    let same = |now: Stat| now.since == stat.since && now.parent == own;
    let process = Grasp::of(pid).filter(|_| Stat::of(pid).is_some_and(same));
    process.inspect(Grasp::kill).is_some()
}

fn bury(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Somebody who knew better was faster.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// The children of this process.
fn children() -> Vec<i32> {
    let own = getpid().as_raw_nonzero().get();
    let main = format!("/proc/self/task/{own}/children");
    if !fs::exists(main).unwrap_or(false) {
        // This kernel does not list them.
        return proc::all()
            .into_iter()
            .filter(|pid| Stat::of(*pid).is_some_and(|s| s.parent == own))
            .collect();
    }
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use distrack_core::TaskId;

    use super::*;

    #[test]
    fn a_number_that_is_given_anew_before_it_was_let_go_stays_led() {
        // No process ever has this number.
        let (first, second) = (Led::new(-7), Led::new(-7));
        drop(first);
        assert!(lock(&LED).contains_key(&-7));
        drop(second);
        assert!(!lock(&LED).contains_key(&-7));
    }

    #[test]
    fn children_are_found_with_what_they_belong_to() {
        let attempt = AttemptRef { task: TaskId::new(), epoch: 7 };
        let mut command = Command::new("/bin/sleep");
        command.arg("60").env("DISTRACK_TASK_ID", attempt.task.to_string()).env("DISTRACK_EPOCH", "7");
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(children().contains(&pid));
        assert_eq!(owner(pid), Some(attempt));
        let stat = Stat::of(pid).unwrap();
        assert!(!end(pid, Stat { since: stat.since + 1, ..stat }), "another process of the same number");
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(end(pid, stat));
        assert!(child.wait().unwrap().code().is_none());
    }
}
