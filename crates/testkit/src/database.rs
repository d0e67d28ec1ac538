//! A fresh, empty PostgreSQL database for one test.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};

use crate::environment::{self, TEST_POSTGRES_URL};
use crate::postgres::Postgres;

const DROP_LIMIT: Duration = Duration::from_secs(20);

/// One server for all tests of this process; its guard ends it with the process.
static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();

/// A database that is empty at first and dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    admin_url: String,
    name: String,
}

impl TestDatabase {
    /// Creates a database on the server that `DISTRACK_TEST_POSTGRES_URL` names, else on a throw-away server
    /// which all tests of this process share.
    ///
    /// # Panics
    /// If there is no server, saying what to install or to set.
    pub async fn create() -> Self {
        match Self::try_create().await {
            Ok(database) => database,
            Err(error) => panic!("no database for this test: {error:#}"),
        }
    }

    /// Creates a database as [`TestDatabase::create`] does.
    ///
    /// # Errors
    /// If there is no server, saying what to install or to set.
    pub async fn try_create() -> Result<Self> {
        let admin_url = match environment::variable(TEST_POSTGRES_URL) {
            Some(url) => url,
            None => tokio::task::spawn_blocking(shared_server).await??,
        };
        Self::on(admin_url).await
    }

    /// Creates a database on the server whose administrator's URL this is.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn on(admin_url: String) -> Result<Self> {
        let name = format!("distrack_test_{}", uuid::Uuid::new_v4().simple());
        // Of template0, which nobody is ever connected to: creation then never collides with another test's.
        execute(&admin_url, format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .context("cannot create a database")?;
        Ok(Self { admin_url, name })
    }

    /// Returns the URL of this database.
    pub fn url(&self) -> String {
        with_database(&self.admin_url, &self.name)
    }

    /// Returns the name of this database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    /// Drops the database and whoever is still connected to it. Fails no test: the server is thrown away anyhow.
    fn drop(&mut self) {
        let url = self.admin_url.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread of its own: drop runs inside a test's runtime, which cannot be blocked on.
        let dropper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let dropped = async { tokio::time::timeout(DROP_LIMIT, execute(&url, statement)).await };
            runtime.block_on(dropped)?
        });
        let _ = dropper.join();
    }
}

fn shared_server() -> Result<String> {
    SHARED
        .get_or_init(|| Postgres::start().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map(Postgres::admin_url)
        .map_err(|error| anyhow!("{error}"))
}

async fn execute(url: &str, statement: String) -> Result<()> {
    let options: PgConnectOptions = url.parse()?;
    let mut connection = options.disable_statement_logging().connect().await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    PgConnection::close(connection).await?;
    Ok(())
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
    fn a_url_keeps_its_parameters_when_its_database_changes() {
        assert_eq!(
            with_database("postgres://u:p@h:5432/postgres?sslmode=disable", "t"),
            "postgres://u:p@h:5432/t?sslmode=disable"
        );
        assert_eq!(with_database("postgresql://u@h", "t"), "postgresql://u@h/t");
    }

    #[tokio::test]
    async fn two_databases_are_apart_and_gone_when_dropped() {
        let (one, two) = tokio::join!(TestDatabase::create(), TestDatabase::create());
        let statement = "CREATE TABLE here (id int)".to_owned();
        execute(&one.url(), statement.clone()).await.unwrap();
        execute(&two.url(), statement).await.unwrap();
        let _still_connected = PgConnection::connect(&one.url()).await.unwrap();
        let url = one.url();
        drop(one);
        assert!(PgConnection::connect(&url).await.is_err());
        assert!(PgConnection::connect(&two.url()).await.is_ok());
    }
}
