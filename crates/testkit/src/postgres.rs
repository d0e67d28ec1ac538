//! A throw-away PostgreSQL server, durable as in production, for tests that need the real thing.
//!
//! It lives in a temporary folder and is gone with this process, however the process ends: a guard process
//! waits for the end of a pipe that only we hold, then stops the server and removes the folder.

mod account;
mod programs;

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::environment;
use crate::port::free_port;
use crate::process_tree::descendants;
use account::Account;

const START_LIMIT: Duration = Duration::from_secs(60);

/// Stops the server and removes its folder once standard input ends. `$0` is `pg_ctl`, `$1` the folder.
///
/// It ignores what ends all of a test run's processes at once: it would leave the folder behind.
const GUARD: &str = r#"trap '' TERM INT HUP; read -r _; "$0" -D "$1/data" -m immediate -w stop; rm -rf "$1""#;

/// How a throw-away server differs from PostgreSQL's defaults.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Whether commits are flushed to disk. On unless a test measures something else than durability.
    pub fsync: bool,
    /// Further lines of `postgresql.conf`, as name and value.
    pub extra: Vec<(String, String)>,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { fsync: true, extra: Vec::new() }
    }
}

/// A PostgreSQL server of our own on a free port of 127.0.0.1; stopped and removed on drop.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    account: Account,
    folder: PathBuf,
    port: u16,
    guard: Child,
    postmaster: Mutex<Option<Child>>,
}

impl Postgres {
    /// Starts a server with the default settings and waits until it accepts connections.
    ///
    /// # Errors
    /// If no PostgreSQL is installed, in one line that says what to install, or if it does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&PostgresSettings::default())
    }

    /// Starts a server with these settings and waits until it accepts connections.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with(settings: &PostgresSettings) -> Result<Self> {
        let programs = programs::find()?;
        let account = Account::pick()?;
        let folder = tempfile::Builder::new().prefix("distrack-postgres-").tempdir()?.keep();
        account.give(&folder)?;
        let guard = start_guard(&programs, account, &folder)?;
        let port = free_port();
        let server = Self { programs, account, folder, port, guard, postmaster: Mutex::new(None) };
        server.initialise(settings)?;
        server.start_again()?;
        Ok(server)
    }

    /// Returns whether a test of the throw-away server itself must be left out, and says so: where a server is
    /// named because no PostgreSQL is installed, everything else is tested all the same.
    pub fn is_left_out() -> bool {
        let Some(reason) = left_out_because(environment::test_postgres_url(), programs::find()) else {
            return false;
        };
        // Not eprintln!, which the test runner keeps to itself when the test passes.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: the throw-away PostgreSQL: {reason}");
        true
    }

    /// Returns the URL of a database on this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the URL of the database from which others are created.
    pub fn admin_url(&self) -> String {
        self.url("postgres")
    }

    /// Returns the port, which stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server again after [`Postgres::stop`] or [`Postgres::kill`]; does nothing if it runs.
    ///
    /// # Errors
    /// If it does not accept connections within a minute, with the end of its log.
    pub fn start_again(&self) -> Result<()> {
        let mut postmaster = self.postmaster();
        if postmaster.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn().context("cannot run postgres")?;
        let ready = self.wait_until_ready(&mut child);
        *postmaster = Some(child);
        ready
    }

    /// Shuts the server down in order: clients are cut off, a checkpoint is written.
    ///
    /// # Errors
    /// If the server's end cannot be waited for.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Ends the server and all its processes at once, as a power cut would.
    ///
    /// # Errors
    /// If the server's end cannot be waited for.
    pub fn kill(&self) -> Result<()> {
        self.end(Signal::KILL)
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let Some(mut child) = self.postmaster().take() else {
            return Ok(());
        };
        let pid = Pid::from_child(&child);
        let backends = descendants(pid);
        kill_process(pid, signal).context("cannot signal postgres")?;
        if signal == Signal::KILL {
            for backend in backends {
                let _ = kill_process(backend, Signal::KILL);
            }
        }
        child.wait().context("cannot wait for postgres")?;
        Ok(())
    }

    fn initialise(&self, settings: &PostgresSettings) -> Result<()> {
        let made = self
            .program("initdb")
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(self.data())
            .output()
            .context("cannot run initdb")?;
        ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr).trim());
        let mut conf = File::options().append(true).open(self.data().join("postgresql.conf"))?;
        writeln!(conf, "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''", self.port)?;
        writeln!(conf, "max_connections = 300\nfsync = {}", if settings.fsync { "on" } else { "off" })?;
        for (name, value) in &settings.extra {
            writeln!(conf, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        Ok(())
    }

    /// Waits for the word `ready` that the postmaster of this very pid writes into its pid file.
    fn wait_until_ready(&self, child: &mut Child) -> Result<()> {
        let limit = Instant::now() + START_LIMIT;
        let pid = child.id().to_string();
        while Instant::now() < limit {
            let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let mut lines = file.lines();
            if lines.next() == Some(&pid) && lines.nth(6).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                bail!("postgres ended at its start ({status}): {}", self.log());
            }
            sleep(Duration::from_millis(10));
        }
        bail!("postgres did not start within {START_LIMIT:?}: {}", self.log())
    }

    /// Returns a command that runs one of the server's programs as the right account, away from our terminal.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        self.account.applied_to(&mut command);
        command.current_dir(&self.folder).stdin(Stdio::null()).process_group(0);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Returns what the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        if let Some(mut child) = self.postmaster().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Without a server that is named, the lack of programs is a failure.
fn left_out_because(named: Option<String>, programs: Result<PathBuf>) -> Option<String> {
    named.and(programs.err()).map(|error| format!("{error:#}"))
}

fn start_guard(programs: &Path, account: Account, folder: &Path) -> Result<Child> {
    let mut command = Command::new("/bin/sh");
    account.applied_to(&mut command);
    command.arg("-c").arg(GUARD).arg(programs.join("pg_ctl")).arg(folder).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot run /bin/sh")
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
