//! What to run and how: the part of a task that never changes after its submission.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::{self, Secret};

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// A line for `/bin/sh -c`.
    Command(String),
    /// A program and its arguments, without a shell.
    Argv(Vec<String>),
}

impl fmt::Display for Program {
    /// The line that a person would type; arguments are joined by spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(line) => f.write_str(line),
            Self::Argv(argv) => f.write_str(&argv.join(" ")),
        }
    }
}

/// What runs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executor {
    /// A process on the worker.
    #[default]
    Process,
    /// Nothing: the attempt completes at once. Measures the engine without the kernel's spawn.
    Noop,
}

/// What becomes of a command that prints more than the worker keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOutputLimit {
    /// The rest is counted and thrown away.
    #[default]
    Truncate,
    /// The command is stopped and the attempt fails with the cause `output_limit`.
    Fail,
}

/// What to run and how. Stored as one JSON document: no query looks inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The command line or program.
    #[serde(flatten)]
    pub program: Program,
    /// Variables added to the clean environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Variables added to it whose values nobody is shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "secret::exposed")]
    pub env_secret: BTreeMap<String, Secret>,
    /// The directory to run in; the worker's own when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// How long an attempt may run, in milliseconds.
    pub timeout_ms: u64,
    /// What runs it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub executor: Executor,
    /// What becomes of too much output.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_output_limit: OnOutputLimit,
}

impl TaskSpec {
    /// How long an attempt may run.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The name of the stream that a task waits in: `[a-z0-9][a-z0-9._-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(String);

impl QueueName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for QueueName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = (1..=63).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 63 of a-z, 0-9, '.', '_' and '-', and start with a letter or digit".to_owned())
        }
    }
}

impl TryFrom<String> for QueueName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<QueueName> for String {
    fn from(name: QueueName) -> Self {
        name.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
