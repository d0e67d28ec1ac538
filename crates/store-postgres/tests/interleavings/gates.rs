//! Gates at which a store's statements wait.

use std::future::Future;
use std::time::Duration;

use distrack_store::Store;
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// A statement of a gated store passes here twice: before and after it does something.
const GATE: &str = "
CREATE TABLE gate (key int PRIMARY KEY, at int NOT NULL);
INSERT INTO gate VALUES (1, 0), (2, 0);
CREATE SEQUENCE gate_1;
CREATE SEQUENCE gate_2;
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE mine text := current_setting('distrack.gate', true);
BEGIN
    IF mine <> '' AND nextval(('gate_' || mine)::regclass) = (SELECT at FROM gate WHERE key = mine::int) THEN
        PERFORM pg_advisory_lock(mine::int);
        PERFORM pg_advisory_unlock(mine::int);
    END IF;
    RETURN NULL;
END $$;";

/// Two gated stores, one that is not, and who holds the gates.
pub(crate) struct Gates {
    pub(crate) plain: PgStore,
    pub(crate) first: PgStore,
    pub(crate) second: PgStore,
    keeper: Mutex<sqlx::pool::PoolConnection<sqlx::Postgres>>,
    looker: PgPool,
    _database: TestDatabase,
}

/// A step behind a gate.
pub(crate) struct Gated {
    step: JoinHandle<String>,
    /// Whether it came to its gate.
    pub(crate) stopped: bool,
}

impl Gates {
    pub(crate) async fn set() -> Self {
        let database = TestDatabase::create().await;
        let url = database.url();
        let join = if url.contains('?') { '&' } else { '?' };
        let store = |gate: &str| {
            let settings = PgSettings { max_connections: 2, acquire_timeout: PATIENCE };
            PgStore::connect(&format!("{url}{join}options=-c%20distrack.gate%3D{gate}"), &settings).unwrap()
        };
        let (plain, first, second) = (store(""), store("1"), store("2"));
        plain.migrate().await.unwrap();
        let looker = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
        sqlx::raw_sql(GATE).execute(&looker).await.unwrap();
        for table in ["tasks", "sessions", "attempts", "task_output", "idempotency_keys"] {
            for when in ["BEFORE", "AFTER"] {
                let trigger = format!(
                    "CREATE TRIGGER gate_{when} {when} INSERT OR UPDATE OR DELETE ON {table} \
                     FOR EACH STATEMENT EXECUTE FUNCTION gate()"
                );
                sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&looker).await.unwrap();
            }
        }
        let keeper = Mutex::new(looker.acquire().await.unwrap());
        Self { plain, first, second, keeper, looker, _database: database }
    }

    /// Closes both: each store waits at so many passages from now.
    pub(crate) async fn close(&self, first: i32, second: i32) {
        let mut keeper = self.keeper.lock().await;
        let close = format!(
            "UPDATE gate SET at = CASE key WHEN 1 THEN {first} ELSE {second} END; \
             SELECT setval('gate_1', 1, false), setval('gate_2', 1, false), pg_advisory_lock(1), pg_advisory_lock(2)"
        );
        run(&mut keeper, close).await;
    }

    /// Lets a store go on.
    pub(crate) async fn open(&self, gate: i32) {
        run(&mut *self.keeper.lock().await, format!("SELECT pg_advisory_unlock({gate})")).await;
    }

    /// Waits until the step that was let go has ended, or waits for the other one's locks.
    pub(crate) async fn settle(&self, one: &mut Gated, two: &mut Gated, let_go: i32) {
        let (going, other) = if let_go == 1 { (one, two) } else { (two, one) };
        let held = i64::from(!other.step.is_finished());
        wait(|| async { going.step.is_finished() || self.waiting().await > held }).await;
    }

    /// How many wait for any lock.
    async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN \
                       (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        sqlx::query_scalar(waiting).fetch_one(&self.looker).await.unwrap()
    }

    /// How often the database had to break a deadlock.
    pub(crate) async fn deadlocks(&self) -> i64 {
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        sqlx::query_scalar(deadlocks).fetch_one(&self.looker).await.unwrap()
    }

    /// Whether a store waits at its gate.
    async fn is_at(&self, gate: i32) -> bool {
        let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1::int::oid \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        sqlx::query_scalar(waits).bind(gate).fetch_one(&self.looker).await.unwrap()
    }
}

impl Gated {
    /// Starts a step, and waits until it stands at its gate, has ended, or waits for a lock of the other one.
    pub(crate) async fn start(
        gates: &Gates,
        gate: i32,
        step: impl Future<Output = String> + Send + 'static,
    ) -> Self {
        let before = gates.waiting().await;
        let step = tokio::spawn(step);
        wait(|| async { step.is_finished() || gates.waiting().await > before }).await;
        let stopped = gates.is_at(gate).await;
        Self { step, stopped }
    }

    pub(crate) async fn answer(self) -> String {
        tokio::time::timeout(PATIENCE, self.step).await.expect("a step ends in time").unwrap()
    }
}

async fn wait<F: Future<Output = bool>>(mut good: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !good().await {
        assert!(Instant::now() < deadline, "a step neither ended nor waits");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}
