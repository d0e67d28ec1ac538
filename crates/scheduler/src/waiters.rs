//! Requests that wait for their task to end: one loop looks for all of them, and none holds a connection.
//!
//! A hint makes the loop look at once, but not more often than every [`LEAST`]; without one it looks every
//! [`MOST`]. While nobody waits it sleeps.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::{Task, TaskId};
use distrack_store::{Hint, Store};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

const LEAST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_millis(250);
/// The most ids of one look.
const CHUNK: usize = 1000;

/// Registers those who wait. Dropping it ends the loop.
pub(crate) struct Waiters {
    /// Bounded by the places.
    sender: mpsc::UnboundedSender<Waiter>,
    places: Semaphore,
}

struct Waiter {
    task: TaskId,
    /// When the caller last knew that the task had not ended.
    since: Instant,
    answer: oneshot::Sender<Task>,
}

impl Waiters {
    /// Starts the loop.
    pub(crate) fn start(store: Arc<dyn Store>, limit: Duration, most: usize) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Watch { store, limit, waiting: HashMap::new(), receiver, last_hint: None }.run());
        Self { sender, places: Semaphore::new(most) }
    }

    /// The task once it has ended; never for one that does not exist, and none at once if too many wait. `since` is an instant before the caller
    /// looked at the task and found that it had not ended.
    pub(crate) async fn ended(&self, task: TaskId, since: Instant) -> Option<Task> {
        let _place = self.places.try_acquire().ok()?;
        let (answer, answered) = oneshot::channel();
        self.sender.send(Waiter { task, since, answer }).ok()?;
        answered.await.ok()
    }
}

struct Watch {
    store: Arc<dyn Store>,
    limit: Duration,
    waiting: HashMap<TaskId, Vec<oneshot::Sender<Task>>>,
    receiver: mpsc::UnboundedReceiver<Waiter>,
    last_hint: Option<Instant>,
}

impl Watch {
    async fn run(mut self) {
        let mut done = self.store.wakeup(Hint::Done);
        let mut last_look = Instant::now();
        let mut hinted = false;
        loop {
            if self.waiting.is_empty() {
                let Some(waiter) = self.receiver.recv().await else { return };
                hinted |= self.add(waiter);
            }
            let next_look = last_look + if hinted { LEAST } else { MOST };
            tokio::select! {
                waiter = self.receiver.recv() => {
                    let Some(waiter) = waiter else { return };
                    hinted |= self.add(waiter);
                }
                () = done.wait(), if !hinted => {
                    hinted = true;
                    self.last_hint = Some(Instant::now());
                }
                () = tokio::time::sleep_until(next_look) => {
                    hinted = false;
                    last_look = Instant::now();
                    self.look().await;
                }
            }
        }
    }

    /// Adds a waiter. True if a hint that may have been about its task was used up before it came.
    fn add(&mut self, waiter: Waiter) -> bool {
        self.waiting.entry(waiter.task).or_default().push(waiter.answer);
        self.last_hint.is_some_and(|hint| hint >= waiter.since)
    }

    async fn look(&mut self) {
        self.waiting.retain(|_, answers| {
            answers.retain(|answer| !answer.is_closed());
            !answers.is_empty()
        });
        let ids: Vec<TaskId> = self.waiting.keys().copied().collect();
        for ids in ids.chunks(CHUNK) {
            // A database that is away is said by whoever answers; the next look is soon.
            let Ok(Ok(tasks)) = tokio::time::timeout(self.limit, self.store.get(ids.to_vec())).await else {
                return;
            };
            for task in tasks.into_iter().filter(|task| task.state.is_terminal()) {
                for answer in self.waiting.remove(&task.id).unwrap_or_default() {
                    let _ = answer.send(task.clone());
                }
            }
        }
    }
}
