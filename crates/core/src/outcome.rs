//! How an attempt ended.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why an attempt did not succeed. A closed set: each is documented, counted and alerted on by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The command ended with an exit code other than 0.
    ExitCode,
    /// A signal that distrack did not send ended the command.
    Signal,
    /// The command ran for longer than its `timeout` and was stopped.
    Timeout,
    /// A user cancelled the task and the command was stopped.
    Cancelled,
    /// The command could not be started.
    SpawnFailed,
    /// The worker that held the attempt was not heard for `lost_after`, or restarted without it.
    WorkerLost,
    /// The command printed more than the cap and was submitted with `on_output_limit: fail`.
    OutputLimit,
    /// The kernel killed the command because memory ran out.
    Oom,
    /// The worker was told to stop and the command did not end within the drain timeout, or the worker's machine
    /// had no room to start it. Uses up no attempt.
    Interrupted,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 9] = [
        Self::ExitCode,
        Self::Signal,
        Self::Timeout,
        Self::Cancelled,
        Self::SpawnFailed,
        Self::WorkerLost,
        Self::OutputLimit,
        Self::Oom,
        Self::Interrupted,
    ];

    /// The number that both stores keep.
    pub fn code(self) -> i16 {
        match self {
            Self::ExitCode => 1,
            Self::Signal => 2,
            Self::Timeout => 3,
            Self::Cancelled => 4,
            Self::SpawnFailed => 5,
            Self::WorkerLost => 6,
            Self::OutputLimit => 7,
            Self::Oom => 8,
            Self::Interrupted => 9,
        }
    }

    /// The cause of a stored number, if it is one.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// The name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExitCode => "exit_code",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::SpawnFailed => "spawn_failed",
            Self::WorkerLost => "worker_lost",
            Self::OutputLimit => "output_limit",
            Self::Oom => "oom",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one attempt used, as the kernel accounted it for the command and the children that it waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The largest resident set of any one process, in bytes; `None` when it was too small to be told from the
    /// worker's own, which the kernel counts in.
    pub max_rss_bytes: Option<u64>,
    /// Processor time in user mode.
    pub cpu_user: Duration,
    /// Processor time in the kernel.
    pub cpu_system: Duration,
}

/// The result of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Why it failed; `None` is success.
    pub cause: Option<Cause>,
    /// The exit code, when the command ended by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
    /// What happened, for a person; empty on success.
    pub error: Option<String>,
    /// Whether a failure may be tried again; a missing program or directory may not.
    pub final_failure: bool,
    /// What the attempt used; `None` when no command ran or nobody could tell.
    pub usage: Option<Usage>,
}

impl Outcome {
    /// Exit code 0.
    pub fn success() -> Self {
        Self { exit_code: Some(0), ..Self::default() }
    }

    /// A failure of `cause`, said as `error`.
    pub fn failure(cause: Cause, error: impl Into<String>) -> Self {
        Self { cause: Some(cause), error: Some(error.into()), ..Self::default() }
    }

    /// Whether the command succeeded.
    pub fn is_success(&self) -> bool {
        self.cause.is_none()
    }
}
