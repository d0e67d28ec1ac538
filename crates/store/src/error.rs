//! What can go wrong in a store, in the caller's terms.

use std::error::Error;
use std::fmt::Display;

/// A step that the store did not take, or did not say that it took.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is too busy, took the step back, or has an older schema. Nothing was
    /// changed. Trying again later may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The database was asked and did not answer. Whether the step was taken is unknown: the connection may have
    /// broken after its commit.
    #[error("the database did not answer: {0}")]
    Unanswered(#[source] Box<dyn Error + Send + Sync>),
    /// The step conflicts with what is stored; said for the user.
    #[error("{0}")]
    Conflict(String),
    /// What is stored cannot be read: a bug, or a hand in the database.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The database refused a statement that should be right, or the step panicked: a bug. Nothing was changed.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Unanswered(_) => true,
            Self::Conflict(_) | Self::Corrupt(_) | Self::Refused(_) => false,
        }
    }

    /// A `Corrupt`: a row that this build cannot read.
    pub fn corrupt(what: impl Display) -> Self {
        Self::Corrupt(what.to_string())
    }

    /// A `Refused`: a statement changed another number of rows than its transaction had locked.
    pub fn miscounted(statement: &str, expected: usize, changed: u64) -> Self {
        Self::Refused(format!("{statement} changed {changed} rows instead of {expected}").into())
    }

    /// An `Unanswered` with a reason in words.
    pub fn unanswered(reason: impl Into<String>) -> Self {
        Self::Unanswered(reason.into().into())
    }

    /// An `Unavailable` with a reason in words.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable(reason.into().into())
    }
}
