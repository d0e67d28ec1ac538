//! What happens to leases while tasks are locked: nothing. Whoever holds the lock may hold it for long, and no worker
//! can help it.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::{Duration, Instant};

use distrack_core::{CoordinatorId, InstanceId, SessionId, WorkerId};
use distrack_store::{HeartbeatSeen, Registration, Store, StoreError, Swept};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;
use sqlx::{Connection, Executor, PgConnection};

const LIMIT: Duration = Duration::from_secs(30);

/// A database with one session, and a connection that is to hold a lock on its tasks.
struct Place {
    _database: TestDatabase,
    store: PgStore,
    coordinator: CoordinatorId,
    session: SessionId,
    holder: PgConnection,
    watcher: PgConnection,
}

impl Place {
    async fn new(lost_after: Duration) -> Self {
        let database = TestDatabase::create().await;
        let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
        store.migrate().await.unwrap();
        let coordinator = CoordinatorId::new();
        let session = store.register(registration(coordinator, lost_after)).await.unwrap().session;
        let holder = PgConnection::connect(&database.url()).await.unwrap();
        let watcher = PgConnection::connect(&database.url()).await.unwrap();
        Self { _database: database, store, coordinator, session, holder, watcher }
    }

    async fn lock(&mut self) {
        self.holder.execute("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await.unwrap();
    }

    async fn unlock(&mut self) {
        self.holder.execute("COMMIT").await.unwrap();
    }

    async fn is_open(&mut self) -> bool {
        let open = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";
        sqlx::query_scalar::<_, i64>(open).fetch_one(&mut self.watcher).await.unwrap() == 1
    }

    /// Waits until a statement waits for a lock that is none of `seen`.
    async fn until_one_waits(&mut self, seen: &[String]) -> Vec<String> {
        let waiting = "SELECT pid || '@' || query_start FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let began = Instant::now();
        loop {
            let now: Vec<String> = sqlx::query_scalar(waiting).fetch_all(&mut self.watcher).await.unwrap();
            if now.iter().any(|one| !seen.contains(one)) {
                return now;
            }
            assert!(began.elapsed() < LIMIT, "nobody waits for the lock");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn registration(coordinator: CoordinatorId, lost_after: Duration) -> Registration {
    Registration {
        worker: WorkerId::new(),
        instance: InstanceId::new(),
        sequence: 1,
        name: "worker".to_owned(),
        host: "host".to_owned(),
        address: "127.0.0.1:8000".to_owned(),
        coordinator,
        slots: 4,
        queues: None,
        labels: Default::default(),
        version: "1".to_owned(),
        isolation: None,
        held: Vec::new(),
        lost_after,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_tasks_are_locked() {
    let mut place = Place::new(LIMIT).await;
    place.lock().await;
    let heard = HeartbeatSeen { session: place.session, ago: Duration::ZERO, busy: 0, draining: false };
    let renewed = place.store.renew(place.coordinator, vec![heard], LIMIT).await.unwrap();
    assert_eq!(renewed.alive, [place.session]);
    place.unlock().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_lost_while_tasks_are_locked() {
    let mut place = Place::new(Duration::ZERO).await;
    let last = place.store.sweep(100, None).await.unwrap().at;
    place.lock().await;
    let swept = place.store.sweep(100, Some(last)).await;
    assert!(matches!(swept, Err(StoreError::Unavailable(_))), "{swept:?}");
    assert!(place.is_open().await);
    place.unlock().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_had_to_be_tried_again_loses_nobody() {
    let mut place = Place::new(Duration::ZERO).await;
    let last = place.store.sweep(100, None).await.unwrap().at;
    place.lock().await;
    let sweeping = {
        let store = place.store.clone();
        tokio::spawn(async move { store.sweep(100, Some(last)).await })
    };
    let first = place.until_one_waits(&[]).await;
    place.until_one_waits(&first).await;
    place.unlock().await;
    let swept: Swept = sweeping.await.unwrap().unwrap();
    assert!(swept.sessions_lost.is_empty() && place.is_open().await, "{swept:?}");
    // The next one that follows at once does.
    let swept = place.store.sweep(100, Some(swept.at)).await.unwrap();
    assert_eq!(swept.sessions_lost.len(), 1);
}
