//! Typed identities, so that a session can never be passed where a task is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        id! { $(#[$doc])* $name, now_v7, "Makes a new identity, ordered by the time of its making (`UUIDv7`)." }
    };
    ($(#[$doc:meta])* $name:ident, $made:ident, $how:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            #[doc = $how]
            #[expect(clippy::new_without_default, reason = "a new identity is not a default value")]
            pub fn new() -> Self {
                Self(Uuid::$made())
            }

            /// The identity as a UUID, for storage and the wire.
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

id! {
    /// A task, from its submission until it is pruned. `UUIDv7`, so that ids sort by submission.
    TaskId
}
id! {
    /// A worker as a user knows it: kept in its `--state_dir` and the same after a restart.
    WorkerId
}
id! {
    /// One process of a worker: new at each start.
    InstanceId
}
id! {
    /// A worker's registration with the fleet: what is leased, heartbeats and holds attempts. Nobody guesses it,
    /// and who does not know it cannot speak for the worker.
    SessionId, new_v4, "Makes a new identity, which nobody can guess (`UUIDv4`)."
}
id! {
    /// One coordinator process.
    CoordinatorId
}

impl TaskId {
    /// Milliseconds since the epoch at which this identity was made, by the maker's clock.
    ///
    /// Good for a plausibility check, never for a decision: only the database's clock decides.
    pub fn made_at_ms(self) -> Option<i64> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))
    }
}
