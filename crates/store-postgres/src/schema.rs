//! The schema: which one the database has, and bringing it up to this build's.

use distrack_store::{Schema, StoreError};
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use crate::Result;
use crate::error::store_error;

/// Append-only: what has landed is never edited.
static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/postgres");

/// SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

pub(crate) async fn schema(pool: &PgPool) -> Result<Schema> {
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = match sqlx::query_file!("sql/schema_version.sql").fetch_one(pool).await {
        Ok(row) => row.version,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => 0,
        Err(error) => return Err(store_error(error)),
    };
    Ok(if found >= needed { Schema::Current } else { Schema::Older { found, needed } })
}

/// The migrator takes an advisory lock: of many at once, one migrates and the others find it done.
pub(crate) async fn migrate(pool: &PgPool) -> Result<()> {
    MIGRATOR.run(pool).await.map_err(|error| match error {
        MigrateError::Execute(error) => store_error(error),
        other => StoreError::Refused(other.into()),
    })
}
