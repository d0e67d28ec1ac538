//! `with-postgres CMD ARGS…`: runs a command beside a throw-away PostgreSQL.
//!
//! The command finds the server in `DISTRACK_TEST_POSTGRES_URL`. A server that this variable already names is
//! used instead of a new one.
//!
//! The new one flushes nothing to disk: no test cuts its power, and each makes a database of its own, for which
//! the disk would be waited for again and again.

use std::ffi::OsString;
use std::process::ExitCode;

use distrack_testkit::{Postgres, PostgresSettings, run_to_the_end, test_postgres_url};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-postgres: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let command: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(url) = test_postgres_url() {
        return run_to_the_end(&command, &[("DISTRACK_TEST_POSTGRES_URL", url)]).await;
    }
    let server = Postgres::start_with(&PostgresSettings { fsync: false, ..PostgresSettings::default() })?;
    run_to_the_end(&command, &[("DISTRACK_TEST_POSTGRES_URL", server.admin_url())]).await
}
