//! One process of a fleet, with what a test needs to reach it again after a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::api::Api;
use crate::eventually::eventually;
use crate::process::{Launch, Process};

const READY_LIMIT: Duration = Duration::from_secs(30);

/// A scheduler, coordinator or worker.
#[derive(Debug)]
pub struct Member {
    process: Process,
    /// The port it serves: HTTP of a scheduler, gRPC of a coordinator or worker.
    port: u16,
    /// The port of `/readyz` and `/metrics`.
    admin_port: u16,
    folder: PathBuf,
}

impl Member {
    pub(crate) fn start(launch: Launch, port: u16, admin_port: u16) -> Result<Self> {
        let folder = launch.folder.clone();
        Ok(Self { process: Process::start(launch)?, port, admin_port, folder })
    }

    /// Returns the process, to kill, pause or watch it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Returns the address it serves, host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the folder it runs in; a worker keeps `output` and `state` there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a client of its HTTP API, if it is a scheduler.
    pub fn api(&self) -> Api {
        Api::new(format!("http://{}", self.address()))
    }

    /// Returns a client of `/readyz` and `/metrics`.
    pub fn admin(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.admin_port))
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same ports and folders, and waits until it is ready.
    ///
    /// # Errors
    /// If it still runs.
    ///
    /// # Panics
    /// If it is not ready in time.
    pub async fn start_again(&self) -> Result<()> {
        self.process.start_again()?;
        self.wait_ready().await;
        Ok(())
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Panics
    /// If it does not within 30 s.
    pub async fn wait_ready(&self) {
        let admin = self.admin();
        let what = format!("{} to be ready", self.process.name());
        eventually(READY_LIMIT, what, || self.is_ready(&admin)).await;
    }

    async fn is_ready(&self, admin: &Api) -> Result<()> {
        if let Err(error) = admin.is_ready().await {
            bail!("{error:#}; {}", self.process.log_tail());
        }
        Ok(())
    }
}
