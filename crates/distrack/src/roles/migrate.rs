//! `distrack migrate`, and the same step for `up`: waits for the database and brings its schema up.

use std::time::{Duration, Instant};

use distrack_store::{Schema, Store, StoreError};
use tokio::net::TcpStream;

use crate::say::say;
use crate::settings::Database;
use crate::settings::roles::Migrate;
use crate::{client, exits, wiring};

const PAUSE: Duration = Duration::from_millis(250);
const DIAL: Duration = Duration::from_secs(1);

/// What a migration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Migrated {
    /// The schema was this build's already.
    Nothing,
    /// It was brought from one migration to another.
    From(i64, i64),
}

/// Why there was none.
pub(crate) enum Refused {
    /// The database did not answer in time.
    Waited(StoreError),
    /// The database said no.
    Store(StoreError),
}

/// Migrates; returns the exit code.
pub(crate) async fn run(settings: Migrate) -> anyhow::Result<u8> {
    let store = wiring::open_store(&settings.database)?;
    let (code, text) = match migrate(store.as_ref(), settings.wait).await {
        Ok(Migrated::Nothing) => (exits::OK, "the schema is up to date".to_owned()),
        Ok(Migrated::From(0, to)) => (exits::OK, format!("the schema is made: migration {to}")),
        Ok(Migrated::From(from, to)) => {
            (exits::OK, format!("the schema is brought from migration {from} to {to}"))
        }
        Err(Refused::Waited(error)) => {
            let waited = humantime::format_duration(settings.wait);
            let reason = reason(&settings.database, &error).await;
            say(format_args!("distrack: {} cannot be used, after {waited}: {reason}", settings.database));
            return Ok(exits::WAITED);
        }
        Err(Refused::Store(error)) => {
            say(format_args!("distrack: {} cannot be migrated: {error}", settings.database));
            return Ok(exits::FAILED);
        }
    };
    // Who does not read the answer has the exit code.
    let _ = client::line(&text);
    Ok(code)
}

/// Brings the schema up, trying again for as long as `wait` while the database does not answer.
pub(crate) async fn migrate(store: &dyn Store, wait: Duration) -> Result<Migrated, Refused> {
    let start = Instant::now();
    let mut said = false;
    loop {
        let error = match once(store).await {
            Ok(migrated) => return Ok(migrated),
            Err(error) if !error.is_retryable() => return Err(Refused::Store(error)),
            Err(error) => error,
        };
        if start.elapsed() >= wait {
            return Err(Refused::Waited(error));
        }
        if !said {
            tracing::warn!(%error, "waiting for the database");
            said = true;
        }
        tokio::time::sleep(PAUSE.min(wait.saturating_sub(start.elapsed()))).await;
    }
}

/// Why a database is unavailable, as far as can be told: a pool that waited in vain keeps to itself what it waited
/// for, which mostly is that nobody listens there.
pub(crate) async fn reason(database: &Database, error: &StoreError) -> String {
    let Some((host, port)) = database.dialled() else { return error.to_string() };
    match tokio::time::timeout(DIAL, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => error.to_string(),
        Ok(Err(refused)) => format!("{host}:{port}: {refused}"),
        Err(_) => format!("{host}:{port} does not answer"),
    }
}

async fn once(store: &dyn Store) -> Result<Migrated, StoreError> {
    match store.schema().await? {
        Schema::Current => Ok(Migrated::Nothing),
        Schema::Older { found, needed } => {
            store.migrate().await?;
            Ok(Migrated::From(found, needed))
        }
    }
}
