//! The states of a task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The condition of a task. The last four are terminal: once reached, they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waiting, for its time or for a slot.
    Pending,
    /// Claimed for a worker's session; the worker has not said yet that it started.
    Dispatched,
    /// The worker said that the command runs.
    Running,
    /// The command ended with exit code 0.
    Completed,
    /// Every permitted attempt failed, or the task may not be tried again.
    Failed,
    /// Cancelled by a user.
    Cancelled,
    /// Not started before its `expires_at`.
    Expired,
}

impl TaskState {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Dispatched,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Whether this state never changes again.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Dispatched | Self::Running => false,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Expired => true,
        }
    }

    /// Whether a worker's session holds an attempt of the task.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Dispatched | Self::Running)
    }

    /// The number that both stores keep. SQL names these numbers as literals, so that partial indexes serve.
    pub fn code(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Dispatched => 1,
            Self::Running => 2,
            Self::Completed => 3,
            Self::Failed => 4,
            Self::Cancelled => 5,
            Self::Expired => 6,
        }
    }

    /// The state of a stored number, if it is one.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The lower-case name, as the API and the metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dispatched => "dispatched",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("must be one of {known}")
        })
    }
}
