//! The schema: which one the database has, and bringing it up to this build's.

use std::time::Duration;

use distrack_store::{Schema, StoreError};
use sqlx::migrate::{MigrateError, Migrator};

use crate::Result;
use crate::database::Database;
use crate::error::{lacks_schema, store_error};

/// How often to try, and how long to let the other process work in between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Append-only: what has landed is never edited.
static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/sqlite");

pub(crate) async fn schema(database: &Database) -> Result<Schema> {
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = match sqlx::query_file!("sql/schema_version.sql").fetch_one(database.readers()).await {
        Ok(row) => row.version,
        Err(sqlx::Error::Database(error)) if lacks_schema(error.message()) => 0,
        Err(error) => return Err(store_error(error)),
    };
    Ok(if found >= needed { Schema::Current } else { Schema::Older { found, needed } })
}

/// There is one connection that writes: of many at once, one migrates and the others find it done. Another process
/// that migrates the same file gets in between two of its steps, and one of both fails; the next try finds what the
/// other has done.
pub(crate) async fn migrate(database: &Database) -> Result<()> {
    let mut tries = 1;
    let error = loop {
        match MIGRATOR.run(database.writer()).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if tries < TRIES => tries += 1,
            Err(error) => break error,
        }
        tokio::time::sleep(PAUSE).await;
    };
    Err(if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        store_error(error)
    } else {
        StoreError::Refused(error.into())
    })
}
