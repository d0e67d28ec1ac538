//! A running command: the leader of a process group, to be waited for, signalled and reaped.
//!
//! The leader is reaped last of all: as long as it is a zombie, its group's number cannot be given to
//! another, and a signal to the group cannot hit a stranger. A process that is dropped before is killed: a
//! command never outlives its attempt, not even one whose code here failed.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, pidfd_open,
    test_kill_process_group, waitid, waitpgid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::warn;
use wait4::{ResUse, Wait4};

use crate::clock::Moment;
use crate::groups::Groups;
use crate::isolation::cgroup::AttemptGroup;
use crate::orphans::{self, Led};
use crate::spawn::{Launch, SpawnError, Started};
use crate::stop::{Stop, StopSignal};

/// How long a machine without room is waited for.
const BUSY_FOR: Duration = Duration::from_secs(10);
/// How long a group that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// The pauses between looks at who is left of a group; the first tells from when on it is worth one.
const LOOK_FROM: Duration = Duration::from_millis(8);
const LOOK_LAST: Duration = Duration::from_millis(100);

/// Starts processes, a few at a time: more at once only makes each slower.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    turns: Arc<Semaphore>,
    groups: Groups,
}

impl Spawner {
    /// Starts at most `at_once` at a time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), groups: Groups::default() }
    }

    /// One that fails in the middle of an attempt, as only a mistake in this code could.
    #[cfg(test)]
    pub(crate) fn broken() -> Self {
        let broken = Self::new(1);
        broken.turns.close();
        broken
    }

    /// Starts a process, unless `stop` comes first. Not to be given up half-way: it might run unseen.
    ///
    /// A machine without room is waited for, within limits.
    pub(crate) async fn spawn(
        &self,
        launch: Launch,
        stop: &mut StopSignal,
    ) -> Result<(Process, Moment), NotStarted> {
        let launch = Arc::new(launch);
        let patience = Instant::now() + BUSY_FOR;
        let mut pause = Duration::from_millis(20);
        loop {
            let turn = tokio::select! {
                biased;
                why = stop.requested() => return Err(NotStarted::Stopped(why)),
                turn = Arc::clone(&self.turns).acquire_owned() => turn.expect("nothing closes it"),
            };
            match self.once(Arc::clone(&launch), turn).await {
                Err(SpawnError::Busy(error)) if Instant::now() + pause < patience => {
                    warn!(%error, "no room for another process, trying again");
                }
                result => return result.map_err(NotStarted::Failed),
            }
            tokio::select! {
                why = stop.requested() => return Err(NotStarted::Stopped(why)),
                () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn once(
        &self,
        launch: Arc<Launch>,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Process, Moment), SpawnError> {
        let spawned = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let start = Moment::now();
            launch.spawn().map(|started| (started, start))
        });
        let (started, start) = spawned.await.map_err(|error| SpawnError::Failed {
            error: format!("the command cannot be started: {error}"),
            for_good: false,
        })??;
        Ok((Process::new(started, self.groups.clone()), start))
    }
}

/// Why there is no process.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// Somebody wished that there be none.
    Stopped(Stop),
    /// It could not be.
    Failed(SpawnError),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` once it is reaped.
    child: Option<Child>,
    group: Pid,
    exit: Option<AsyncFd<OwnedFd>>,
    groups: Groups,
    /// Let go after it was reaped.
    _led: Led,
    /// Its control group, which nobody can leave as one leaves a process group.
    contained: Option<AttemptGroup>,
}

impl Process {
    fn new(Started { child, contained }: Started, groups: Groups) -> Self {
        let group = Pid::from_child(&child);
        let exit = pidfd_open(group, PidfdFlags::empty()).map_err(io::Error::from);
        let led = Led::new(group.as_raw_nonzero().get());
        let exit = exit.and_then(watched).ok();
        Self { child: Some(child), group, exit, groups, _led: led, contained }
    }

    /// The number of its leader and of its group.
    pub(crate) fn pid(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Standard output and error, once.
    pub(crate) fn pipes(&mut self) -> Option<(OwnedFd, OwnedFd)> {
        let child = self.child.as_mut()?;
        Some((child.stdout.take()?.into(), child.stderr.take()?.into()))
    }

    /// Waits until its leader has ended, and leaves it a zombie.
    pub(crate) async fn exited(&self) {
        if let Some(exit) = &self.exit {
            // An error would be the runtime going away.
            let _ = exit.readable().await;
            return;
        }
        // No pidfd (an old kernel, no descriptor left): a thread waits instead.
        let group = self.group;
        let wait =
            move || waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).map(drop);
        let _ = tokio::task::spawn_blocking(wait).await;
    }

    /// Waits until nobody of its group lives, and leaves its leader a zombie.
    ///
    /// Looks at all processes once the leader has ended: only for a group that was told to end.
    pub(crate) async fn ended(&self) {
        self.exited().await;
        let mut pause = LOOK_FROM;
        while self.groups.has_living(self.group).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_LAST);
        }
    }

    /// Signals the whole group. That it is gone already is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
        if let Some(contained) = self.contained.as_ref().filter(|_| signal == Signal::KILL) {
            contained.kill();
        }
    }

    /// Whether the kernel killed any of it for want of memory; `None` where it has no control group of its own.
    pub(crate) fn ran_out_of_memory(&self) -> Option<bool> {
        self.contained.as_ref().map(AttemptGroup::ran_out_of_memory)
    }

    /// Kills whoever is left of the group, reaps the leader, and waits until nobody is left.
    ///
    /// The leader must have ended.
    pub(crate) async fn reap(mut self) -> io::Result<ResUse> {
        self.signal(Signal::KILL);
        let child = self.child.take().ok_or_else(|| io::Error::other("it is reaped already"))?;
        let status = child.wait4();
        gone(self.group, &self.groups).await;
        if let Some(contained) = self.contained.take() {
            emptied(&contained).await;
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some() {
            // Nobody can wait here: it stays a zombie until this process ends, which does no harm.
            self.signal(Signal::KILL);
        }
    }
}

/// Registers a pidfd with the runtime.
#[expect(
    deprecated,
    reason = "unsound only for types without I/O safety, which OwnedFd has; what replaces it is unsafe to call"
)]
fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

/// Waits, within a limit, until nobody in a control group that was killed is left.
async fn emptied(contained: &AttemptGroup) {
    let limit = Instant::now() + GONE_WITHIN;
    while contained.is_populated() {
        if Instant::now() > limit {
            warn!(group = %contained.path().display(), "a killed control group is not empty");
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits, within a limit, until nobody of a group that was killed lives.
async fn gone(group: Pid, groups: &Groups) {
    let limit = Instant::now() + GONE_WITHIN;
    let mut pause = Duration::from_millis(1);
    while test_kill_process_group(group).is_ok() {
        if orphans::are_ours() {
            // Nobody else buries them.
            while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
        }
        // Elsewhere it is the first process's duty, and not all do it: the dead do not count.
        if pause >= LOOK_FROM && !groups.has_living(group).await {
            return;
        }
        if Instant::now() > limit {
            warn!(pid = group.as_raw_nonzero(), "a killed process group is not gone, its slot is used again");
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_LAST);
    }
}
