//! Why a worker cannot serve. What goes wrong later is logged and lived with.

use std::io;
use std::path::PathBuf;

/// Why a worker does not start, or stopped without being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It could run nothing.
    #[error("slots: must be at least 1")]
    NoSlots,
    /// It could never be given work.
    #[error("coordinator: at least one must be named")]
    NoCoordinator,
    /// A coordinator's address cannot be read.
    #[error("coordinator: {address:?} is not host:port")]
    Coordinator {
        /// As it was given.
        address: String,
    },
    /// Another worker lives from the same state directory.
    #[error("state_dir: {} is in use by another worker (process {holder})", path.display())]
    StateDirInUse {
        /// The directory.
        path: PathBuf,
        /// The process id that the other one wrote down.
        holder: String,
    },
    /// The state directory cannot be used.
    #[error("state_dir: cannot use {}", path.display())]
    StateDir {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The output directory cannot be used.
    #[error("output_dir: cannot use {}", path.display())]
    OutputDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Commands cannot be held to what was asked.
    #[error("{setting}: {problem}")]
    Isolation {
        /// The setting that asks for it.
        setting: &'static str,
        /// Why not.
        problem: String,
    },
    /// The gRPC server failed.
    #[error("the worker's port failed")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
}
