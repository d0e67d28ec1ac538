//! The worker: runs the commands that coordinators hand it, heartbeats, reports.
//!
//! It knows coordinators only through the protocol and the database not at all. An attempt's way through
//! it is one direction: [`service`] (Dispatch) → [`held`] (accepted, a slot taken) → [`execute`] → [`run`]
//! → [`spool`] (the result is safe) → [`report`] (delivered, forgotten). [`attach`] keeps the worker known
//! to one coordinator beside all that and never waits for it. Start reading at [`serve()`].

mod address;
mod assignment;
mod attach;
mod attachment;
mod backoff;
mod clock;
mod commands;
mod descriptors;
mod error;
mod execute;
mod explain;
mod groups;
mod hardening;
mod held;
mod identity;
mod isolation;
mod journal;
mod kept;
mod lease;
mod leftovers;
mod metrics;
mod oom;
mod orphans;
mod outbox;
mod output;
mod output_file;
mod own_peak;
mod policy;
mod proc;
mod process;
mod report;
mod run;
mod serve;
mod service;
mod settings;
mod shutdown;
mod spawn;
mod spool;
mod spool_file;
mod stop;
mod traced;
mod verdict;

#[cfg(test)]
mod testing;

pub use commands::Commands;
pub use error::ServeError;
pub use isolation::limits::Limits;
pub use isolation::starter::{STARTER, start_command};
pub use isolation::{IsolationSettings, Means};
pub use serve::serve;
pub use settings::{OnDisconnect, Settings};
pub use shutdown::Shutdown;
