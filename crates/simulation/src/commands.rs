//! Commands without processes: each takes some time, may fail, and leaves a mark at its start and at its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{AttemptRef, Cause, Outcome, Program, TaskSpec};
use distrack_worker::Commands;

use crate::memory::MemoryStore;

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    /// Whose it was.
    pub(crate) attempt: AttemptRef,
    /// Which worker ran it.
    pub(crate) worker: usize,
    /// When it began, by the simulation's time.
    pub(crate) began: Duration,
    /// The same by the store's clock.
    pub(crate) began_by_store: DateTime<Utc>,
    /// When it was over; `None` while it runs, or when its machine died with it.
    pub(crate) over: Option<Duration>,
    /// Its exit code, if it ended by itself.
    pub(crate) exit_code: Option<i32>,
}

/// The marks of all commands, whoever ran them.
pub(crate) type Effects = Arc<Mutex<Vec<Effect>>>;

/// Runs the commands of one worker. A command line says what it does: `MILLISECONDS EXIT_CODE`.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) worker: usize,
    pub(crate) effects: Effects,
    pub(crate) store: MemoryStore,
}

impl Commands for Shell {
    fn run(&self, attempt: AttemptRef, spec: &TaskSpec) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let (lasts, code) = read(spec);
        let began = now();
        let began_by_store = self.store.now();
        let effect =
            Effect { attempt, worker: self.worker, began, began_by_store, over: None, exit_code: None };
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.push(effect);
        let running = Running { effects: Arc::clone(&self.effects), place: effects.len() - 1 };
        drop(effects);
        Box::pin(async move {
            tokio::time::sleep(lasts).await;
            running.ended(code);
            match code {
                0 => Outcome::success(),
                _ => Outcome { exit_code: Some(code), ..Outcome::failure(Cause::ExitCode, "as it was told") },
            }
        })
    }
}

/// A command that runs. It is over when this is dropped: a worker that ends it, or dies with it, drops it.
struct Running {
    effects: Effects,
    place: usize,
}

impl Running {
    fn ended(&self, code: i32) {
        self.change(|effect| effect.exit_code = Some(code));
    }

    fn change(&self, change: impl FnOnce(&mut Effect)) {
        change(&mut self.effects.lock().unwrap_or_else(PoisonError::into_inner)[self.place]);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.change(|effect| effect.over = Some(now()));
    }
}

/// How long a command lasts, and how it ends.
fn read(spec: &TaskSpec) -> (Duration, i32) {
    let Program::Command(line) = &spec.program else { return (Duration::ZERO, 0) };
    let mut words = line.split(' ');
    let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or_default();
    let lasts = Duration::from_millis(number().into());
    (lasts, i32::try_from(number()).unwrap_or(1))
}

/// The simulation's time.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}
