//! What runs commands when it is not this machine: a simulation has no processes.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use distrack_core::{AttemptRef, Outcome, TaskSpec};

/// Runs commands instead of this machine. With it, the worker starts no process and no thread, so that what happens is
/// decided by the runtime that it is in alone.
pub trait Commands: Debug + Send + Sync + 'static {
    /// Runs the command of an attempt until it ends by itself; dropped when it is to end before.
    fn run(&self, attempt: AttemptRef, spec: &TaskSpec) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
}
