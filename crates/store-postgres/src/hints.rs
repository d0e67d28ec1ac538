//! Hints across processes, by `LISTEN` and `NOTIFY` on connections of their own.
//!
//! Never inside a task's transaction, where `NOTIFY` takes a lock that is held across the fsync and caps
//! the whole database. Sent at once and then not again for a moment; a lost hint costs a poll, no more.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::shared::Changed;
use distrack_store::{Hint, Waker, Wakeup};
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

const CHANNEL: &str = "distrack";
/// The least time between two notifications of one process.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// The wait before a broken connection is tried again.
const RECONNECT: Duration = Duration::from_millis(500);
/// How long the server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// After so long without a hint the server is asked whether it is there.
const QUIET: Duration = Duration::from_secs(8);

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
    let options = options.options([("synchronous_commit", "off")]);
    let mut kept = None;
    loop {
        outbox.filled.notified().await;
        let raised =
            std::mem::take(&mut *outbox.raised.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let kinds: Vec<String> = raised.into_iter().map(str::to_owned).collect();
        let mut sent = send_once(&options, kept.take(), &kinds).await;
        if sent.is_err() {
            // That connection may have been old, and the server be back since.
            sent = send_once(&options, None, &kinds).await;
        }
        match sent {
            Ok(connection) => kept = Some(connection),
            Err(error) => {
                tracing::debug!(%error, "hint not sent");
                tokio::time::sleep(RECONNECT).await;
            }
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}

/// Sends on a connection that was kept, or on a new one, and returns it. A socket that is dead is let go of.
async fn send_once(
    options: &PgConnectOptions,
    kept: Option<PgConnection>,
    kinds: &[String],
) -> Result<PgConnection, sqlx::Error> {
    let send = async {
        let mut connection = match kept {
            Some(connection) => connection,
            None => PgConnection::connect_with(options).await?,
        };
        sqlx::query_file!("sql/hint.sql", kinds).execute(&mut connection).await?;
        Ok(connection)
    };
    tokio::time::timeout(ANSWERS_WITHIN, send).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

async fn listen(options: PgConnectOptions, waker: Waker) {
    loop {
        // A pool of its own each time: a listener that is dropped takes leave of its server, for as long as the
        // network lets it wait.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWERS_WITHIN)
            .connect_lazy_with(options.clone());
        if let Err(error) = listen_once(&pool, &waker).await {
            tracing::debug!(%error, "not listening for hints");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen_once(pool: &sqlx::PgPool, waker: &Waker) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    let listening = tokio::time::timeout(ANSWERS_WITHIN, listener.listen(CHANNEL)).await;
    listening.map_err(|_| sqlx::Error::PoolTimedOut)??;
    // Whatever was said before we listened, or while the connection was away, is unknown.
    waker.raise_all();
    loop {
        let heard = match tokio::time::timeout(QUIET, listener.try_recv()).await {
            Ok(heard) => heard?,
            // A server that has nothing to say and one behind a dead socket sound alike, until they are asked.
            Err(_) => {
                let asked = sqlx::raw_sql("SELECT 1").execute(&mut listener);
                tokio::time::timeout(ANSWERS_WITHIN, asked)
                    .await
                    .map_err(|_| sqlx::Error::PoolTimedOut)??;
                continue;
            }
        };
        match heard.as_ref().map(PgNotification::payload) {
            Some("due") => waker.raise(Hint::Due),
            Some("cancel") => waker.raise(Hint::Cancel),
            Some("done") => waker.raise(Hint::Done),
            Some(_) => waker.raise_all(),
            // The connection is gone.
            None => return Ok(()),
        }
    }
}
