//! The lanes of a process: connections by purpose, so that nothing starves what must go on. A list of a million
//! tasks holds up no report, and whoever asks too much holds up neither submissions nor leases.
//!
//! A lane opens a connection when a step first needs it. A scheduler only ever uses `accept` and `read`: with the look
//! at the server and the two connections of hints at most 11; a coordinator all but `accept`, at most 18.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::Connections;
use sqlx::postgres::PgConnectOptions;

use crate::PgSettings;
use crate::lane::{Lane, Limits};
use crate::shared::Shared;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Submissions and cancels.
    pub(crate) accept: Lane,
    /// Whatever somebody wants to see, and snapshots.
    pub(crate) read: Lane,
    /// Claims, releases, and the look for what is due next.
    pub(crate) claim: Lane,
    /// Sessions: opened, renewed, ended. Registrations are admitted two at a time, so that a renewal has room.
    pub(crate) lease: Lane,
    /// What workers say of attempts.
    pub(crate) report: Lane,
    /// What time takes: sessions, deadlines.
    pub(crate) sweep: Lane,
    /// Removing what is old, a batch at a time.
    pub(crate) prune: Lane,
}

impl Lanes {
    pub(crate) fn new(options: &PgConnectOptions, settings: &PgSettings, shared: &Arc<Shared>) -> Self {
        // Steps find rows by their keys, a batch at a time. A plan from when the table was small, which a connection keeps
        // until the next ANALYZE, may read it whole, or its primary key; and no step is worth compiling.
        let by_keys = options.clone().options([("enable_seqscan", "off"), ("jit", "off")]);
        // Planned each time, which costs half a millisecond. A submission reads no table, and there are many.
        let anew = by_keys.clone().options([("plan_cache_mode", "force_custom_plan")]);
        let lane = |name, connections: u32, [statement, lock, step]: [u64; 3]| {
            let limits = Limits {
                connections: connections.min(settings.max_connections),
                statement: Duration::from_secs(statement),
                lock: Duration::from_secs(lock),
                step: Duration::from_secs(step),
            };
            let options = match name {
                "read" => options,
                "accept" => &by_keys,
                _ => &anew,
            };
            Lane::new(name, limits, options, settings.acquire_timeout, shared)
        };
        // Seconds: of a statement, of its wait for a lock, of the whole step. With the wait for a connection a socket
        // that is dead is given up within 15.
        Self {
            accept: lane("accept", 4, [9, 3, 11]),
            read: lane("read", 4, [9, 2, 11]),
            claim: lane("claim", 3, [9, 2, 11]),
            lease: lane("lease", 4, [9, 3, 11]),
            report: lane("report", 2, [9, 3, 11]),
            sweep: lane("sweep", 1, [9, 2, 11]),
            // Nobody waits for it, and rows that are old may lie anywhere on a slow disk.
            prune: lane("prune", 1, [30, 2, 60]),
        }
    }

    pub(crate) fn connections(&self) -> Vec<Connections> {
        [&self.accept, &self.read, &self.claim, &self.lease, &self.report, &self.sweep, &self.prune]
            .map(Lane::connections)
            .into()
    }
}
