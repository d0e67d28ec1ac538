//! Hints between the services: something may be worth looking at. Correctness never depends on one.

use tokio::sync::watch;

/// What may be worth looking at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A task was submitted, retried or given back: something may be due sooner than known.
    Due,
    /// A held attempt was asked to be cancelled.
    Cancel,
    /// A task reached a terminal state.
    Done,
}

/// Raises hints. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker {
    due: watch::Sender<()>,
    cancel: watch::Sender<()>,
    done: watch::Sender<()>,
}

impl Default for Waker {
    fn default() -> Self {
        Self { due: watch::Sender::new(()), cancel: watch::Sender::new(()), done: watch::Sender::new(()) }
    }
}

impl Waker {
    /// Wakes everybody who waits for `hint`.
    pub fn raise(&self, hint: Hint) {
        self.of(hint).send_replace(());
    }

    /// Wakes everybody: hints may have been missed.
    pub fn raise_all(&self) {
        [Hint::Due, Hint::Cancel, Hint::Done].into_iter().for_each(|hint| self.raise(hint));
    }

    /// Waits for hints of one kind.
    pub fn wakeup(&self, hint: Hint) -> Wakeup {
        Wakeup { receiver: self.of(hint).subscribe(), keep: self.of(hint).clone() }
    }

    fn of(&self, hint: Hint) -> &watch::Sender<()> {
        match hint {
            Hint::Due => &self.due,
            Hint::Cancel => &self.cancel,
            Hint::Done => &self.done,
        }
    }
}

/// Waits for hints of one kind. A hint raised between two calls of [`Wakeup::wait`] is not missed.
#[derive(Debug)]
pub struct Wakeup {
    receiver: watch::Receiver<()>,
    // A receiver whose sender is gone would be woken for ever.
    #[expect(dead_code, reason = "kept so that the channel stays open")]
    keep: watch::Sender<()>,
}

impl Wakeup {
    /// Returns at once if a hint was raised since the last return, else when the next one is.
    pub async fn wait(&mut self) {
        let _ = self.receiver.changed().await;
    }
}
