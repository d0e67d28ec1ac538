//! What a worker is told at its start. Values only: nothing here reads the environment or a file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::QueueName;

use crate::{Commands, IsolationSettings, ServeError};

/// Where a program is looked for when the environment names no `PATH`.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What becomes of running commands when a worker is cut off from all coordinators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// They go on, and may run beside their next attempt once the worker counts as lost.
    Keep,
    /// They are stopped before the worker counts as lost, so that no attempt runs beside another.
    Stop,
}

impl FromStr for OnDisconnect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Self::Keep),
            "stop" => Ok(Self::Stop),
            _ => Err("must be keep or stop".to_owned()),
        }
    }
}

/// How a worker is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What people call it; the host's name when `None`.
    pub name: Option<String>,
    /// The coordinators as `host:port`, in order of preference; at least one.
    pub coordinators: Vec<String>,
    /// The host to be dialled at; found out when `None`.
    pub advertise_host: Option<String>,
    /// How many attempts run at once; at least 1.
    pub slots: u32,
    /// The queues it serves; `None` for all.
    pub queues: Option<Vec<QueueName>>,
    /// What it has, for tasks that require it.
    pub labels: BTreeMap<String, String>,
    /// Where what commands print is kept.
    pub output_dir: PathBuf,
    /// Where its identity and undelivered results are kept; one live worker for each.
    pub state_dir: PathBuf,
    /// Whether that is only the first part of a name: the worker takes the first of `<state_dir>-1`,
    /// `<state_dir>-2`, … that no live worker has.
    pub state_dir_numbered: bool,
    /// How long running commands may go on after it was told to stop.
    pub drain_timeout: Duration,
    /// How long a command may go on between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// What becomes of running commands when no coordinator answers.
    pub on_disconnect: OnDisconnect,
    /// Whether to kill processes that leave their command's group. Only in a process all of whose children are
    /// commands of its workers: it adopts, ends and buries others as well.
    pub adopt_orphans: bool,
    /// How much of each stream goes to its file, in bytes.
    pub output_cap: u64,
    /// The clean environment that each command gets: `PATH`, `HOME`, `LANG`, `TZ`, `TMPDIR`.
    pub child_env: BTreeMap<String, String>,
    /// What commands may do to the worker and its neighbours.
    pub isolation: IsolationSettings,
    /// Whether spans show command lines, which may hold secrets.
    pub trace_command: bool,
    /// What runs commands; processes of this machine when `None`.
    pub commands: Option<Arc<dyn Commands>>,
    /// The version to report.
    pub version: String,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            name: None,
            coordinators: vec!["localhost:8080".to_owned()],
            advertise_host: None,
            // Commands mostly wait.
            slots: u32::try_from(cores * 16).unwrap_or(u32::MAX),
            queues: None,
            labels: BTreeMap::new(),
            output_dir: PathBuf::from("worker_output"),
            state_dir: PathBuf::from("worker_state"),
            state_dir_numbered: false,
            drain_timeout: Duration::from_secs(30),
            kill_grace: Duration::from_secs(5),
            on_disconnect: OnDisconnect::Keep,
            adopt_orphans: false,
            output_cap: 64 * 1024 * 1024,
            child_env: [("PATH".to_owned(), DEFAULT_PATH.to_owned())].into(),
            isolation: IsolationSettings::default(),
            trace_command: false,
            commands: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl Settings {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ServeError> {
        if self.slots == 0 {
            return Err(ServeError::NoSlots);
        }
        if self.coordinators.is_empty() {
            return Err(ServeError::NoCoordinator);
        }
        Ok(())
    }
}
