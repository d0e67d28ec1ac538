//! Connections for one purpose, and how a step is taken on one of them: in bounded time, and again where that
//! is safe.
//!
//! A step has a limit of its own beside the server's, because a network that swallows packets answers nothing at
//! all, and sqlx sets no keepalive: whoever is not answered by then lets go of the connection at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_store::{Connections, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool, Postgres};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::Result;
use crate::shared::Shared;
use crate::trouble::{self, Trouble, store_error};

/// How long a connection that lay idle may take to say that it is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);
/// How long a connection may take to be cleaned up for the next step.
const RELEASED_WITHIN: Duration = Duration::from_secs(2);
/// The most tries of one step.
const TRIES: u32 = 4;
/// No try begins later than this after the first one: who asked has gone by then.
const TRIED_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause before the second try; doubled each time.
const PAUSE: Duration = Duration::from_millis(40);

/// What a lane may take of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most connections.
    pub(crate) connections: u32,
    /// How long one statement may run.
    pub(crate) statement: Duration,
    /// How long a statement may wait for a lock.
    pub(crate) lock: Duration,
    /// How long a step may take with all its statements, without the wait for a connection.
    pub(crate) step: Duration,
}

/// When a step may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Whenever it failed: it only looks.
    Looks,
    /// Whenever it failed: what the first time did, the second leaves as it is.
    Repeatable,
    /// If the first time surely changed nothing.
    Once,
}

/// Takes a step on a lane: `take!(lane, Looks, to => look::get(to, &tasks))`. The step is an expression and no
/// closure, since no closure can say that what it returns is `Send` and lives as long as the connection.
macro_rules! take {
    ($lane:expr, $again:ident, $to:ident => $step:expr) => {{
        let mut tries = $lane.tries($crate::lane::Again::$again);
        loop {
            let answer = match tries.connection().await {
                Ok(mut held) => {
                    let $to = &mut *held;
                    let answer = tokio::time::timeout(tries.limit(), $step).await;
                    tries.let_go(held, answer)
                }
                Err(error) => Err(error),
            };
            if let Some(answer) = tries.decide(answer).await {
                break answer;
            }
        }
    }};
}
pub(crate) use take;

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    name: &'static str,
    pool: PgPool,
    limit: Duration,
    shared: Arc<Shared>,
}

impl Lane {
    /// A lane without any connection yet.
    pub(crate) fn new(
        name: &'static str,
        limits: Limits,
        options: &PgConnectOptions,
        patience: Duration,
        shared: &Arc<Shared>,
    ) -> Self {
        let options = options.clone().options([
            ("statement_timeout", limits.statement.as_millis().to_string()),
            ("lock_timeout", limits.lock.as_millis().to_string()),
        ]);
        let age = Arc::clone(shared);
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(patience)
            // Instead of the pool's own test, which waits for ever.
            .test_before_acquire(false)
            .before_acquire(move |connection, met| {
                let shared = Arc::clone(&age);
                Box::pin(async move {
                    if shared.renewal.concerns(met.age) {
                        return Ok(false);
                    }
                    let alive = timeout(ALIVE_WITHIN, connection.ping()).await;
                    if alive.is_err() {
                        shared.renewal.renew();
                    }
                    Ok(matches!(alive, Ok(Ok(()))))
                })
            })
            .connect_lazy_with(options);
        Self { name, pool, limit: limits.step, shared: Arc::clone(shared) }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// What it has of the server.
    pub(crate) fn connections(&self) -> Connections {
        Connections {
            lane: self.name,
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            max: self.pool.options().get_max_connections(),
        }
    }

    /// The tries of a step, of which there may be several.
    pub(crate) fn tries(&self, again: Again) -> Tries<'_> {
        self.shared.budget.earn();
        Tries { lane: self, again, began: Instant::now(), tries: 1 }
    }

    /// Why no connection was to be had, in words that help. Nothing was asked of the database.
    fn not_had(&self, error: sqlx::Error) -> StoreError {
        if !matches!(error, sqlx::Error::PoolTimedOut) {
            return store_error(error);
        }
        let most = self.pool.options().get_max_connections();
        let busy = self.pool.size() >= most && self.pool.num_idle() == 0;
        StoreError::unavailable(match self.shared.away() {
            Some(reason) => reason,
            None if busy => format!("all {most} connections for {} steps are busy", self.name),
            None => "no connection in time".to_owned(),
        })
    }
}

/// See [`take`].
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    lane: &'a Lane,
    again: Again,
    began: Instant,
    tries: u32,
}

impl Tries<'_> {
    /// A connection for the next try.
    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        let mut held = self.lane.pool.acquire().await.map_err(|error| self.lane.not_had(error))?;
        // A step that is dropped half-way never comes to `let_go`. What it leaves is not for the next one: after half
        // a `begin()` (sqlx 0.9.0) that would be an open transaction.
        held.close_on_drop();
        Ok(held)
    }

    /// How long the try may take.
    pub(crate) fn limit(&self) -> Duration {
        self.lane.limit
    }

    /// Gives the connection back, or up if it is no good any more.
    pub(crate) fn let_go<T>(
        &self,
        mut held: PoolConnection<Postgres>,
        answer: std::result::Result<Result<T>, Elapsed>,
    ) -> Result<T> {
        let renewal = &self.lane.shared.renewal;
        let good = match &answer {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => match trouble::of_store(error) {
                Trouble::TakenBack | Trouble::Lasting | Trouble::Bug => true,
                Trouble::Broken => false,
                Trouble::ReadOnly => {
                    renewal.renew();
                    false
                }
            },
            Err(_) => {
                // Whatever swallowed this answer has the other connections too.
                renewal.renew();
                false
            }
        };
        if good {
            // Here and not by the connection's own drop, which waits as long as the network lets it and holds the
            // place in the pool meanwhile.
            tokio::spawn(timeout(RELEASED_WITHIN, held.return_to_pool()));
        } else {
            // Closes the socket without a word; its place in the pool is free at once.
            drop(held.detach());
        }
        answer.unwrap_or_else(|_| {
            let reason = format!("no answer within {:?}", self.lane.limit);
            Err(match self.again {
                Again::Looks => StoreError::unavailable(reason),
                Again::Repeatable | Again::Once => StoreError::unanswered(reason),
            })
        })
    }

    /// The answer, unless there is to be another try, for which this waits.
    pub(crate) async fn decide<T>(&mut self, answer: Result<T>) -> Option<Result<T>> {
        let Err(error) = &answer else { return Some(answer) };
        let may_pass = match trouble::of_store(error) {
            Trouble::TakenBack | Trouble::Broken | Trouble::ReadOnly => true,
            Trouble::Lasting | Trouble::Bug => false,
        };
        let safe = self.again != Again::Once || matches!(error, StoreError::Unavailable(_));
        let in_time = self.tries < TRIES && self.began.elapsed() < TRIED_WITHIN;
        if !(may_pass && safe && in_time && self.lane.shared.budget.spend()) {
            return Some(answer);
        }
        tracing::debug!(lane = self.lane.name, %error, tries = self.tries, "a step is tried again");
        tokio::time::sleep((PAUSE * 2_u32.pow(self.tries)).mul_f64(rand::random())).await;
        self.tries += 1;
        None
    }
}
