//! `distrack up`: the whole system in one process over its own data folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use super::Member;
use crate::api::Api;
use crate::port::free_port;
use crate::process::{Launch, Process};

/// A running `distrack up`; killed on drop, its folder removed unless the test is failing.
#[derive(Debug)]
pub struct Up {
    member: Member,
    folder: Option<TempDir>,
}

impl Up {
    /// Starts `program up` with a fresh data folder, free ports and these flags, and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started.
    ///
    /// # Panics
    /// If it is not ready in time, with the end of its log.
    pub async fn start(program: impl AsRef<Path>, flags: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("distrack-up-").tempdir()?;
        let root = folder.path().to_owned();
        let port = free_port();
        let mut arguments = vec!["up".to_owned(), format!("--data_dir={}", data(&root).display())];
        arguments.push(format!("--scheduler_port=:{port}"));
        arguments
            .extend(["--coordinator_port=:0", "--worker_port=:0", "--metrics_port=:0"].map(str::to_owned));
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        let launch = Launch::new("up", program.as_ref(), &arguments, root);
        let up = Self { member: Member::start(launch, port, port)?, folder: Some(folder) };
        up.member.wait_ready().await;
        Ok(up)
    }

    /// Returns a client of its HTTP API.
    pub fn api(&self) -> Api {
        self.member.api()
    }

    /// Returns the process, to kill, pause or watch it.
    pub fn process(&self) -> &Process {
        self.member.process()
    }

    /// Returns the folder in which all its data lies.
    pub fn data_dir(&self) -> PathBuf {
        data(self.member.folder())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(&self) -> Result<()> {
        self.member.kill()
    }

    /// Starts it again over the same data and port, and waits until it is ready.
    ///
    /// # Errors
    /// If it still runs.
    ///
    /// # Panics
    /// If it is not ready in time.
    pub async fn start_again(&self) -> Result<()> {
        self.member.start_again().await
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.member.process().log_tail());
            if let Some(folder) = self.folder.take() {
                eprintln!("its data and log are kept in {}", folder.keep().display());
            }
        }
    }
}

fn data(root: &Path) -> PathBuf {
    root.join("data")
}
