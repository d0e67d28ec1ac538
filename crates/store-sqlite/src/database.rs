//! The file: one connection that writes, a few that read, and the clock.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use distrack_store::{Connections, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::Result;
use crate::clock::Clock;
use crate::error::{commit_error, store_error};

/// Steps that look run beside each other and beside the one that writes.
const READERS: u32 = 4;
/// How long a step waits for its turn, or for another process that has the file open.
const PATIENCE: Duration = Duration::from_secs(10);
/// A write-ahead log that grew beyond this is cut back once it has been copied into the file.
const LOG_LIMIT: &str = "67108864";

/// One database file. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<Clock>,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // Commands and their variables may be secret, so that only the owner may read the file.
        let created = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        created.map_err(|error| StoreError::unavailable(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(PATIENCE)
            .foreign_keys(false)
            .pragma("temp_store", "memory");
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_LIMIT);
        Ok(Self {
            writer: pool(1).connect_lazy_with(writer),
            readers: pool(READERS).connect_lazy_with(options.read_only(true)),
            clock: Arc::new(Clock::new()),
        })
    }

    /// What steps that only look run on. They never wait for the writer.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// The writer and the readers.
    pub(crate) fn connections(&self) -> Vec<Connections> {
        let of = |lane, pool: &SqlitePool| Connections {
            lane,
            open: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            max: pool.options().get_max_connections(),
        };
        vec![of("write", &self.writer), of("read", &self.readers)]
    }

    /// What migrations run on.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// The clock, for steps that only look.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Waits for the writer's turn. The time is taken when it has come: instants are ordered as commits are.
    pub(crate) async fn begin(&self) -> Result<Step> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        Ok(Step { transaction, now: self.clock.now() })
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // A connection to a file does not go stale.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// A step that writes: nobody else does until it is committed or dropped.
pub(crate) struct Step {
    transaction: Transaction<'static, Sqlite>,
    /// The one instant of all its changes.
    pub(crate) now: i64,
}

impl Step {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    pub(crate) async fn commit(self) -> Result<()> {
        self.transaction.commit().await.map_err(commit_error)
    }

    pub(crate) async fn rollback(self) -> Result<()> {
        self.transaction.rollback().await.map_err(store_error)
    }
}
