//! The Postgres behind a system: one made for the run and dropped after it, or somebody's that is only read.

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::process;
use crate::settings::DatabaseUrl;

/// A database that is dropped with everything in it.
#[derive(Debug)]
pub(crate) struct ThrowAway {
    server: DatabaseUrl,
    name: String,
}

impl ThrowAway {
    /// Makes an empty database beside the one that the URL names.
    pub(crate) async fn create(server: &DatabaseUrl) -> Result<Self> {
        let name = format!("distrack_bench_{}", uuid::Uuid::new_v4().simple());
        let mut connection = connect(server).await?;
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        connection.execute(AssertSqlSafe(create)).await.context("cannot make a database for the run")?;
        connection.close().await?;
        Ok(Self { server: server.clone(), name })
    }

    /// Its URL.
    pub(crate) fn url(&self) -> DatabaseUrl {
        DatabaseUrl(with_database(&self.server.0, &self.name))
    }

    /// Drops it, whoever is still connected.
    pub(crate) async fn discard(&self) -> Result<()> {
        let mut connection = connect(&self.server).await?;
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = connection.execute(AssertSqlSafe(drop)).await;
        dropped.with_context(|| format!("the database {} is left behind", self.name))?;
        Ok(connection.close().await?)
    }
}

/// Connects to a Postgres.
pub(crate) async fn connect(url: &DatabaseUrl) -> Result<PgConnection> {
    // The driver's own message repeats no password, but it may repeat the text.
    let options: PgConnectOptions =
        url.0.parse().ok().context("--database_url cannot be read by the driver")?;
    let options = options.disable_statement_logging();
    options.connect().await.context("cannot connect to the database of --database_url")
}

/// What a server counts, to be read before and after.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Bytes of the write-ahead log since ever, of the whole server.
    pub(crate) wal_bytes: f64,
    /// Rows in this database that are dead and not yet vacuumed.
    pub(crate) dead_rows: f64,
    /// Processor time of the server's processes in seconds, where they are on this machine.
    pub(crate) cpu: Option<f64>,
}

/// Reads the counters of a server.
pub(crate) async fn counters(connection: &mut PgConnection) -> Result<Counters> {
    let read = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8, \
                (SELECT COALESCE(sum(n_dead_tup), 0)::float8 FROM pg_stat_user_tables), pg_backend_pid()";
    let (wal_bytes, dead_rows, pid): (f64, f64, i32) = sqlx::query_as(read).fetch_one(connection).await?;
    let server = u32::try_from(pid).ok().and_then(|pid| process::parent_if_named(pid, "postgres"));
    Ok(Counters { wal_bytes, dead_rows, cpu: server.and_then(process::cpu_of_family) })
}

/// Puts another database into a URL, whose parameters stay.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{database}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_all_but_its_database() {
        let other = |url| with_database(url, "t");
        assert_eq!(
            other("postgres://u:p@h:5432/postgres?sslmode=disable"),
            "postgres://u:p@h:5432/t?sslmode=disable"
        );
        assert_eq!(other("postgresql://u@h"), "postgresql://u@h/t");
        assert_eq!(other("postgres:///x?host=/run/pg"), "postgres:///t?host=/run/pg");
    }
}
