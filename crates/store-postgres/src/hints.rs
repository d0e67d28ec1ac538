//! Hints across processes, by `LISTEN` and `NOTIFY` on connections of their own.
//!
//! Never inside a task's transaction, where `NOTIFY` takes a lock that is held across the fsync and caps
//! the whole database. Sent at once and then not again for a moment; a lost hint costs a poll, no more.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::shared::Changed;
use distrack_store::{Hint, Waker, Wakeup};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

const CHANNEL: &str = "distrack";
/// The least time between two notifications of one process.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// The wait before a broken connection is tried again.
const RECONNECT: Duration = Duration::from_millis(500);

/// Raises hints here and in every other process on the database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Hints {
    waker: Waker,
    outbox: Arc<Outbox>,
    /// Ends both loops with the last clone.
    _stop: Arc<DropGuard>,
}

#[derive(Debug, Default)]
struct Outbox {
    raised: std::sync::Mutex<Vec<&'static str>>,
    filled: Notify,
}

impl Hints {
    pub(crate) fn start(options: PgConnectOptions) -> Self {
        let stop = CancellationToken::new();
        let waker = Waker::default();
        let outbox = Arc::new(Outbox::default());
        tokio::spawn(stop.clone().run_until_cancelled_owned(listen(options.clone(), waker.clone())));
        tokio::spawn(stop.clone().run_until_cancelled_owned(send(options, Arc::clone(&outbox))));
        Self { waker, outbox, _stop: Arc::new(stop.drop_guard()) }
    }

    pub(crate) fn raise(&self, hint: Hint) {
        self.waker.raise(hint);
        let mut raised = self.outbox.raised.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !raised.contains(&payload(hint)) {
            raised.push(payload(hint));
            self.outbox.filled.notify_one();
        }
    }

    pub(crate) fn raise_ended(&self, changed: Changed) {
        if changed.due {
            self.raise(Hint::Due);
        }
        if changed.done {
            self.raise(Hint::Done);
        }
    }

    pub(crate) fn wakeup(&self, hint: Hint) -> Wakeup {
        self.waker.wakeup(hint)
    }
}

fn payload(hint: Hint) -> &'static str {
    match hint {
        Hint::Due => "due",
        Hint::Cancel => "cancel",
        Hint::Done => "done",
    }
}

async fn send(options: PgConnectOptions, outbox: Arc<Outbox>) {
    // A hint is not worth an fsync.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options.options([("synchronous_commit", "off")]));
    loop {
        outbox.filled.notified().await;
        let raised =
            std::mem::take(&mut *outbox.raised.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let kinds: Vec<String> = raised.into_iter().map(str::to_owned).collect();
        if let Err(error) = sqlx::query_file!("sql/hint.sql", &kinds).execute(&pool).await {
            tracing::debug!(%error, "hint not sent");
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}

async fn listen(options: PgConnectOptions, waker: Waker) {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
    loop {
        if let Err(error) = listen_once(&pool, &waker).await {
            tracing::debug!(%error, "not listening for hints");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen_once(pool: &sqlx::PgPool, waker: &Waker) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Whatever was said before we listened, or while the connection was away, is unknown.
        waker.raise_all();
        while let Some(notification) = listener.try_recv().await? {
            match notification.payload() {
                "due" => waker.raise(Hint::Due),
                "cancel" => waker.raise(Hint::Cancel),
                "done" => waker.raise(Hint::Done),
                _ => waker.raise_all(),
            }
        }
    }
}
