//! What a file of SQLite can do for a queue that does nothing else, as durable as ours: every commit is synced.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};

use super::Bare;

const ROWS: i64 = 40_000;
const INSERTED: i64 = 1_000;
const CLAIMED: i64 = 500;
const LASTS: Duration = Duration::from_millis(700);

const TABLES: [&str; 3] = [
    "CREATE TABLE tasks (id INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, \
     payload TEXT NOT NULL)",
    "CREATE INDEX tasks_due ON tasks (due, id) WHERE state = 0",
    "CREATE TABLE commits (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)",
];
const INSERT: &str = "WITH RECURSIVE n(id) AS (SELECT ?1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1 + ?2 - 1) \
                      INSERT INTO tasks (id, payload) SELECT id, 'echo hello' FROM n";
const CLAIM: &str = "UPDATE tasks SET state = 1 WHERE id IN (SELECT id FROM tasks WHERE state = 0 AND due <= 0 \
                     ORDER BY due, id LIMIT ?1) AND state = 0 RETURNING id, payload";
const FINISH: &str = "UPDATE tasks SET state = 3 WHERE id IN (SELECT value FROM json_each(?1)) AND state = 1";

/// Measures in a file of its own, which is removed.
pub(super) async fn measure(folder: &Path) -> Result<Bare> {
    let folder = tempfile::Builder::new().prefix("calibrator-").tempdir_in(folder)?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("bare.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    for table in TABLES {
        connection.execute(table).await?;
    }
    let began = Instant::now();
    for first in (0..ROWS).step_by(usize::try_from(INSERTED)?) {
        sqlx::query(INSERT).bind(first).bind(INSERTED).execute(&mut connection).await?;
    }
    let insert = ROWS as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut finished = 0;
    loop {
        let claimed: Vec<(i64, String)> =
            sqlx::query_as(CLAIM).bind(CLAIMED).fetch_all(&mut connection).await?;
        if claimed.is_empty() {
            break;
        }
        let ids: Vec<i64> = claimed.into_iter().map(|(id, _)| id).collect();
        let ids = serde_json::to_string(&ids)?;
        finished += sqlx::query(FINISH).bind(ids).execute(&mut connection).await?.rows_affected();
    }
    let claim_finish = ROWS as f64 / began.elapsed().as_secs_f64();
    ensure!(finished == ROWS.unsigned_abs(), "{finished} of {ROWS} rows were finished");
    // One connection: a file has one writer at a time anyway.
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < LASTS {
        connection.execute("INSERT INTO commits (payload) VALUES ('echo hello')").await?;
        count += 1;
    }
    let commits = f64::from(count) / began.elapsed().as_secs_f64();
    connection.close().await?;
    Ok(Bare { insert, claim_finish, commits })
}
