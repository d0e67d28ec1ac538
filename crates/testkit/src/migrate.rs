//! Brings a database to the current schema from the files in `migrations/`.
//!
//! For the query cache only: the product carries its migrations inside.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

/// Applies the migrations in `folder`, in order, to the database that `url` names.
///
/// An SQLite file is created if it does not exist, a PostgreSQL database is not.
///
/// # Errors
/// If the database cannot be reached or a migration is refused.
pub async fn migrate(url: &str, folder: &Path) -> Result<()> {
    let migrator =
        Migrator::new(folder).await.with_context(|| format!("cannot read {}", folder.display()))?;
    let applied = match url.split(':').next() {
        Some("postgres" | "postgresql") => {
            let mut connection = PgConnection::connect(url).await?;
            migrator.run(&mut connection).await
        }
        Some("sqlite") => {
            let options: SqliteConnectOptions = url.parse()?;
            let mut connection = options.create_if_missing(true).connect().await?;
            migrator.run(&mut connection).await
        }
        Some(_) | None => bail!("neither a postgres:// nor a sqlite:// url: {url}"),
    };
    applied.with_context(|| format!("cannot apply {}", folder.display()))
}
