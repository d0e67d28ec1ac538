//! `with-migrations CMD ARGS…`: runs a command beside two fresh databases with the current schema.
//!
//! Run it in the root of the repository. The command finds the databases in `DISTRACK_POSTGRES_URL` and
//! `DISTRACK_SQLITE_URL`, the variables that `sqlx.toml` of the two stores names.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use distrack_testkit::{TestDatabase, migrate, run_to_the_end};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-migrations: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let command: Vec<OsString> = std::env::args_os().skip(1).collect();
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite://{}/schema.db", folder.path().display());
    migrate(&sqlite, Path::new("migrations/sqlite")).await?;
    let database = TestDatabase::try_create().await?;
    migrate(&database.url(), Path::new("migrations/postgres")).await?;
    let urls = [("DISTRACK_POSTGRES_URL", database.url()), ("DISTRACK_SQLITE_URL", sqlite)];
    run_to_the_end(&command, &urls).await
}
