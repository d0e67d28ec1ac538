//! What to measure, and where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use rustls::ClientConfig;

/// One run of the command.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which distrack is measured.
    pub target: Target,
    /// What is measured, in this order.
    pub workloads: Vec<Workload>,
    /// The database behind it: for one of our own the server on which a database is made, for a running one that
    /// which its calibrators and counters are read from.
    pub database_url: Option<DatabaseUrl>,
    /// How much of it.
    pub load: Load,
    /// How often each workload is measured.
    pub rounds: usize,
    /// The report of an earlier run, to compare with.
    pub against: Option<PathBuf>,
    /// The least ratio to the earlier run that is good.
    pub fail_below: Option<f64>,
    /// Whether the report is one JSON document.
    pub json: bool,
}

/// Which distrack is measured.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that runs.
    Running(Server),
    /// One that is started for it, and thrown away.
    Own(Own),
}

/// A scheduler, and how to talk to it.
#[derive(Clone)]
pub struct Server {
    /// Its address; a path in it is kept.
    pub uri: Uri,
    /// The value of `Authorization`.
    pub token: Option<HeaderValue>,
    /// Whom to trust, for an `https` address.
    pub tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri)
    }
}

/// What is started.
#[derive(Clone, Debug)]
pub struct Own {
    /// The program of every process.
    pub program: PathBuf,
    /// How many workers.
    pub workers: usize,
    /// How many coordinators; one process has them all with SQLite, where there is one.
    pub coordinators: usize,
    /// Slots of each worker, unless their own default.
    pub slots: Option<usize>,
    /// The environment of every process; nothing else of this one's reaches them.
    pub variables: Vec<(String, String)>,
}

/// How much load; what is not given is chosen for each workload.
#[derive(Clone, Debug)]
pub struct Load {
    /// Tasks of a round.
    pub tasks: Option<usize>,
    /// How long a round lasts, where that is not given by its tasks.
    pub duration: Option<Duration>,
    /// Tasks a second, where the load is open.
    pub rate: Option<f64>,
    /// Connections that submit.
    pub connections: usize,
    /// Tasks that wait far in the future in `deep`.
    pub backlog: usize,
    /// What runs the tasks of `deep`: `noop` or `process`.
    pub executor: String,
    /// The queue that all tasks are in.
    pub queue: String,
}

/// The URL of a Postgres. Shows itself without what is secret in it.
#[derive(Clone)]
pub struct DatabaseUrl(pub String);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://…")
    }
}

/// A way of loading a distrack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Commands that are all due at once.
    Shell,
    /// Tasks without a process that are all due at once.
    Noop,
    /// How soon a task starts, idle and at half of what the system can do.
    Latency,
    /// Submissions alone, one by one and in batches.
    Submit,
    /// Start on time while very many tasks wait.
    Deep,
    /// Writers, readers and cancels at once.
    Mixed,
    /// A steady load for long.
    Soak,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Shell, Self::Noop, Self::Latency, Self::Submit, Self::Deep, Self::Mixed, Self::Soak];
    /// What is measured unless it is said.
    pub const DEFAULT: [Self; 4] = [Self::Shell, Self::Noop, Self::Latency, Self::Submit];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Noop => "noop",
            Self::Latency => "latency",
            Self::Submit => "submit",
            Self::Deep => "deep",
            Self::Mixed => "mixed",
            Self::Soak => "soak",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|workload| workload.as_str() == text);
        found.ok_or_else(|| format!("'{}': must be one of {}", text.escape_debug(), known()))
    }
}
