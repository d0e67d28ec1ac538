//! The schema: which one the database has, and bringing it up to this build's.

use distrack_store::{Schema, StoreError};
use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::Result;
use crate::trouble::store_error;

/// Append-only: what has landed is never edited.
static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/postgres");

/// SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

/// Which schema the database has, if it can be written to.
pub(crate) async fn schema(connection: &mut PgConnection) -> std::result::Result<Schema, sqlx::Error> {
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = match sqlx::query_file!("sql/schema_version.sql").fetch_one(connection).await {
        Ok(row) => row.version,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => 0,
        Err(error) => return Err(error),
    };
    Ok(if found >= needed { Schema::Current } else { Schema::Older { found, needed } })
}

/// The migrator takes an advisory lock: of many at once, one migrates and the others find it done.
///
/// On a connection of its own, which is closed afterwards: a migration may take longer than a step, and what
/// fails half-way must not leave the lock with the pool.
pub(crate) async fn migrate(options: PgConnectOptions) -> Result<()> {
    let options = options.options([("statement_timeout", "0"), ("lock_timeout", "0")]);
    let alone = PgPoolOptions::new().max_connections(1).connect_with(options).await.map_err(store_error)?;
    let migrated = MIGRATOR.run(&alone).await;
    alone.close().await;
    let Err(error) = migrated else { return Ok(()) };
    Err(if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        store_error(error)
    } else {
        StoreError::Refused(error.into())
    })
}
