//! What a database in trouble costs: time, and never a task, nor a word that is not true.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use distrack_core::{CoordinatorId, NewTask, TaskDraft, TaskId, TraceContext};
use distrack_store::{
    Detached, IdempotencyKey, ListQuery, Schema, Store, StoreError, Submission, SubmitMode, Submitted,
};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::{Cluster, Postgres, Proxy, TestDatabase};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(30);

async fn store_at(url: &str) -> PgStore {
    let store = PgStore::connect(url, &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    store
}

fn submission() -> Submission {
    let draft = TaskDraft { command: Some("true".to_owned()), ..TaskDraft::default() };
    Submission { task: NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap(), key: None }
}

fn with_key(key: &str) -> Submission {
    let key = IdempotencyKey { key: key.to_owned(), request_hash: [7; 32] };
    Submission { key: Some(key), ..submission() }
}

/// Submits in the background.
fn submitting(store: &PgStore, one: Submission) -> JoinHandle<Result<Vec<Submitted>, StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.submit(vec![one], SubmitMode::Each).await })
}

async fn count(store: &PgStore) -> usize {
    store.list(ListQuery { limit: 1000, ..ListQuery::default() }).await.unwrap().len()
}

/// A session of somebody else's on the same database.
async fn other(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn run(session: &mut PgConnection, statement: impl Into<String>) {
    session.execute(AssertSqlSafe(statement.into())).await.unwrap();
}

/// When the sessions began their statements that wait for a lock now, as `pid@start`.
async fn waiting(session: &mut PgConnection) -> Vec<String> {
    let waiting = "SELECT pid || '@' || query_start FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()";
    sqlx::query_scalar(waiting).fetch_all(session).await.unwrap()
}

/// Waits until a statement waits for a lock that is none of `seen`.
async fn until_one_waits(session: &mut PgConnection, seen: &[String]) -> Vec<String> {
    let began = Instant::now();
    loop {
        let now = waiting(session).await;
        if now.iter().any(|one| !seen.contains(one)) {
            return now;
        }
        assert!(began.elapsed() < LIMIT, "nobody waits for the lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_comes_late_is_waited_for_again_and_the_task_is_stored_once() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let (mut holder, mut watcher) = (other(&database.url()).await, other(&database.url()).await);
    run(&mut holder, "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await;
    let submitting = submitting(&store, submission());
    let first = until_one_waits(&mut watcher, &[]).await;
    until_one_waits(&mut watcher, &first).await;
    run(&mut holder, "COMMIT").await;
    assert!(matches!(submitting.await.unwrap().unwrap()[..], [Submitted::Created { .. }]));
    assert_eq!(count(&store).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_does_not_come_ends_in_an_answer_that_nothing_was_stored() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let mut holder = other(&database.url()).await;
    run(&mut holder, "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await;
    let refused = tokio::time::timeout(LIMIT, submitting(&store, submission())).await.unwrap().unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.schema().await.unwrap(), Schema::Current, "the server is there all the time");
    run(&mut holder, "COMMIT").await;
    assert_eq!(count(&store).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_of_a_deadlock_is_tried_again() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let (mut one, mut watcher) = (other(&database.url()).await, other(&database.url()).await);
    // Keys are inserted in their order: the store has `a` when it waits for `b`.
    run(&mut one, "SET deadlock_timeout = '60s'; SET lock_timeout = 0; BEGIN").await;
    let take = |key: &str| {
        format!(
            "INSERT INTO idempotency_keys (key, request_hash, task_id, expires_at)
             VALUES ('{key}', '', '{}', now() + interval '1 hour')",
            TaskId::new().as_uuid()
        )
    };
    run(&mut one, take("b")).await;
    let both = vec![with_key("a"), with_key("b")];
    let submitting = {
        let store = store.clone();
        tokio::spawn(async move { store.submit(both, SubmitMode::Each).await })
    };
    let first = until_one_waits(&mut watcher, &[]).await;
    let crossing = async {
        run(&mut one, take("a")).await;
        // The store was the victim, and waits again.
        until_one_waits(&mut watcher, &first).await;
        run(&mut one, "ROLLBACK").await;
    };
    tokio::time::timeout(LIMIT, crossing).await.expect("the store gives way");
    let answers = submitting.await.unwrap().unwrap();
    assert!(matches!(answers[..], [Submitted::Created { .. }, Submitted::Created { .. }]), "{answers:?}");
    assert_eq!(count(&store).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_in_the_middle_of_a_submission_costs_no_task_and_doubles_none() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let (mut holder, mut watcher) = (other(&database.url()).await, other(&database.url()).await);
    run(&mut holder, "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await;
    let submitting = submitting(&store, submission());
    let first = until_one_waits(&mut watcher, &[]).await;
    let pid = first[0].split('@').next().unwrap();
    run(&mut watcher, format!("SELECT pg_terminate_backend({pid})")).await;
    until_one_waits(&mut watcher, &first).await;
    run(&mut holder, "COMMIT").await;
    assert!(matches!(submitting.await.unwrap().unwrap()[..], [Submitted::Created { .. }]));
    assert_eq!(count(&store).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_connection_is_killed_is_not_tried_again_and_said_to_be_unanswered() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let (mut holder, mut watcher) = (other(&database.url()).await, other(&database.url()).await);
    run(&mut holder, "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await;
    let claiming = {
        let store = store.clone();
        let request = distrack_store::ClaimRequest {
            coordinator: CoordinatorId::new(),
            queues: None,
            labels: Default::default(),
            slots: vec![distrack_store::Slot { session: distrack_core::SessionId::new(), attach: 1 }],
            trace_policy: distrack_core::TracePolicy::Auto,
        };
        tokio::spawn(async move { store.claim(request).await })
    };
    let first = until_one_waits(&mut watcher, &[]).await;
    let pid = first[0].split('@').next().unwrap();
    run(&mut watcher, format!("SELECT pg_terminate_backend({pid})")).await;
    let lost = tokio::time::timeout(LIMIT, claiming).await.unwrap().unwrap();
    assert!(matches!(lost, Err(StoreError::Unanswered(_))), "{lost:?}");
    run(&mut holder, "COMMIT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_replaced_without_a_word() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let mut killer = other(&database.url()).await;
    for round in 1..=10 {
        store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
        assert_eq!(count(&store).await, round);
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        run(&mut killer, all).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_that_is_sent_again_after_its_answer_was_lost_is_answered_as_the_first() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    for batch in [
        vec![submission(), submission()],
        vec![with_key("k1"), with_key("k2")],
        vec![submission(), with_key("k3"), with_key("k3")],
    ] {
        let first = store.submit(batch.clone(), SubmitMode::Each).await.unwrap();
        let stored = count(&store).await;
        assert_eq!(store.submit(batch, SubmitMode::Each).await.unwrap(), first);
        assert_eq!(count(&store).await, stored);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_holds_up_neither_submissions_nor_claims_nor_leases_nor_the_look_at_the_server() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let mut held = Vec::new();
    for _ in 0..store.read_pool().options().get_max_connections() {
        held.push(store.read_pool().acquire().await.unwrap());
    }
    let refused = store.get(vec![TaskId::new()]).await.unwrap_err();
    assert!(refused.to_string().contains("connections for read steps are busy"), "{refused}");
    store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
    assert!(store.next_due().await.unwrap().ready);
    store.renew(CoordinatorId::new(), Vec::new(), LIMIT).await.unwrap();
    store.report(Vec::new()).await.unwrap();
    store.sweep(10, None).await.unwrap();
    assert_eq!(store.schema().await.unwrap(), Schema::Current);
    drop(held);
    assert_eq!(count(&store).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_accepts_and_reads_opens_no_connection_for_a_coordinator() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    for _ in 0..20 {
        store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
        count(&store).await;
    }
    let most =
        store.pool().options().get_max_connections() + store.read_pool().options().get_max_connections();
    let open: u32 = store.connections().iter().map(|lane| lane.open).sum();
    assert!(open <= most, "{:?}", store.connections());
    assert_eq!(open, store.pool().size() + store.read_pool().size());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_is_noticed_in_time_and_forgotten_once_it_is_mended() {
    let database = TestDatabase::create().await;
    store_at(&database.url()).await;
    let mut proxy = Proxy::before(&database.url()).await.unwrap();
    let settings = PgSettings { max_connections: 1, ..PgSettings::default() };
    let store = PgStore::connect(proxy.url(), &settings).unwrap();
    store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
    assert_eq!(count(&store).await, 1);
    let (mut holder, mut watcher) = (other(&database.url()).await, other(&database.url()).await);
    run(&mut holder, "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await;
    let submitting = submitting(&store, submission());
    until_one_waits(&mut watcher, &[]).await;
    proxy.silence();
    // One that lay idle is asked first, and given up at once.
    let idle = tokio::time::timeout(LIMIT, store.get(vec![TaskId::new()])).await.unwrap();
    assert!(matches!(idle, Err(StoreError::Unavailable(_))), "{idle:?}");
    let lost = tokio::time::timeout(LIMIT, submitting).await.expect("it is given up").unwrap();
    assert!(matches!(lost, Err(StoreError::Unanswered(_))), "{lost:?}");
    run(&mut holder, "COMMIT").await;
    proxy.mend().await.unwrap();
    // With one connection a lane, a place that leaked would be missed.
    for _ in 0..3 {
        store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
        store.get(vec![TaskId::new()]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_the_server_is_away_is_said_in_its_own_words() {
    let database = TestDatabase::create().await;
    let mut proxy = Proxy::before(&database.url()).await.unwrap();
    let store = PgStore::connect(proxy.url(), &PgSettings::default()).unwrap();
    proxy.cut().await;
    let said = store.schema().await.unwrap_err().to_string();
    assert!(said.contains("refused"), "{said}");
    let refused = store.get(vec![TaskId::new()]).await.unwrap_err().to_string();
    assert!(refused.contains("refused") && !refused.contains("pool"), "{refused}");

    let nowhere = database.url().replace(database.name(), "nowhere");
    let nowhere = PgStore::connect(&nowhere, &PgSettings::default()).unwrap();
    let said = nowhere.schema().await.unwrap_err().to_string();
    assert!(said.contains("database \"nowhere\" does not exist"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_reads_is_left_as_soon_as_there_is_another() {
    if Postgres::is_left_out() {
        return;
    }
    let (old, new) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    for server in [&old, &new] {
        store_at(&server.admin_url()).await;
    }
    let address = movable::Address::leads_to(old.port()).await;
    let store = PgStore::connect(
        &format!("postgres://postgres@127.0.0.1:{}/postgres", address.port),
        &PgSettings::default(),
    );
    let store = store.unwrap();
    store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
    assert_eq!((count(&store).await, store.schema().await.unwrap()), (1, Schema::Current));

    let mut admin = other(&old.admin_url()).await;
    run(&mut admin, "ALTER SYSTEM SET default_transaction_read_only = on").await;
    run(&mut admin, "SELECT pg_reload_conf()").await;
    let began = Instant::now();
    let refused = loop {
        match store.submit(vec![submission()], SubmitMode::Each).await {
            Err(refused) => break refused,
            Ok(_) => assert!(began.elapsed() < LIMIT, "the server goes on writing"),
        }
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "nothing was stored: {refused}");
    assert!(store.schema().await.unwrap_err().to_string().contains("only reads"));

    address.now_leads_to(new.port());
    let first = submission();
    let id = first.task.id;
    store.submit(vec![first], SubmitMode::Each).await.unwrap();
    assert_eq!(store.get(vec![id]).await.unwrap().len(), 1, "what is read is the new server's, too");
    assert_eq!(store.schema().await.unwrap(), Schema::Current);
}

#[tokio::test]
async fn a_step_that_is_dropped_wherever_it_waits_leaves_no_transaction_open() {
    let database = TestDatabase::create().await;
    let store = store_at(&database.url()).await;
    let mut watcher = other(&database.url()).await;
    let mut waits = 1;
    while !ends_before(waits, store.submit(vec![with_key(&format!("k{waits}"))], SubmitMode::Each)).await {
        until_no_transaction_is_open(&mut watcher).await;
        waits += 1;
    }
    assert!(waits > 3, "it waits for a connection, for the transaction to begin and to end");
}

/// Drops a step where it waits for the so manyth time, if it does not end before.
async fn ends_before(waits: usize, step: impl Future) -> bool {
    let (mut step, mut waited) = (pin!(step), 0);
    poll_fn(|context| match step.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => {
            waited += 1;
            if waited == waits { Poll::Ready(false) } else { Poll::Pending }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_hang_up_at_any_moment_leave_no_transaction_open_and_no_place_taken() {
    let database = TestDatabase::create().await;
    let store = Arc::new(Detached::new(store_at(&database.url()).await));
    let mut watcher = other(&database.url()).await;
    for round in 0..500_u64 {
        let store = Arc::clone(&store);
        let batch = vec![with_key(&format!("k{round}")), submission()];
        let caller = tokio::spawn(async move {
            let _ = store.submit(batch, SubmitMode::AllOrNone).await;
            let _ = store.explain(TaskId::new()).await;
        });
        tokio::time::sleep(Duration::from_micros(round * 7 % 2000)).await;
        caller.abort();
    }
    until_no_transaction_is_open(&mut watcher).await;
    let steps = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.submit(vec![submission()], SubmitMode::Each).await.is_ok() })
    });
    for step in steps.collect::<Vec<_>>() {
        assert!(step.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_hang_up_on_a_scheduler_by_the_hundred_cost_it_nothing() {
    let database = TestDatabase::create().await;
    let store: Arc<dyn Store> = Arc::new(Detached::new(store_at(&database.url()).await));
    let cluster = Cluster::start(Arc::clone(&store), 0, 0).await.unwrap();
    let address = cluster.api().base().trim_start_matches("http://").to_owned();
    let mut watcher = other(&database.url()).await;
    let clients = (0..4_u64).map(|n| {
        let address = address.clone();
        tokio::spawn(async move {
            for round in 0..250_u64 {
                let body = "{\"command\":\"true\",\"delay_seconds\":3600}";
                let request = format!(
                    "POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                     idempotency-key: {n}-{round}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let mut client = TcpStream::connect(&address).await.unwrap();
                client.write_all(request.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_micros(round * 13 % 3000)).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    until_no_transaction_is_open(&mut watcher).await;
    let stored = cluster.api().submit(&serde_json::json!({"command": "true"})).await.unwrap();
    let id = stored["task_id"].as_str().unwrap();
    assert_eq!(cluster.api().task(id).await.unwrap()["task_id"], id);
    let rows: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM idempotency_keys)")
            .fetch_one(&mut watcher)
            .await
            .unwrap();
    assert_eq!(rows.0, rows.1 + 1, "each task that was stored has its key, and no key is without its task");
    cluster.stop().await.unwrap();
}

/// Waits until no session is inside a transaction. One that is idle there for so long was left: after 4 s the server would
/// end it by itself, and hide it.
async fn until_no_transaction_is_open(session: &mut PgConnection) {
    let open =
        "SELECT count(*), count(*) FILTER (WHERE clock_timestamp() - state_change > interval '3 seconds')
                FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    loop {
        let (open, left): (i64, i64) = sqlx::query_as(open).fetch_one(&mut *session).await.unwrap();
        assert_eq!(left, 0, "a transaction stays open");
        if open == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An address that leads to another server from one moment on, as a name in DNS does.
mod movable {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, Ordering};

    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    pub(super) struct Address {
        pub(super) port: u16,
        target: Arc<AtomicU16>,
        passing: JoinHandle<()>,
    }

    impl Address {
        pub(super) async fn leads_to(port: u16) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let own = listener.local_addr().unwrap().port();
            let target = Arc::new(AtomicU16::new(port));
            let to = Arc::clone(&target);
            let passing = tokio::spawn(async move {
                while let Ok((mut client, _)) = listener.accept().await {
                    let port = to.load(Ordering::SeqCst);
                    tokio::spawn(async move {
                        let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    });
                }
            });
            Self { port: own, target, passing }
        }

        pub(super) fn now_leads_to(&self, port: u16) {
            self.target.store(port, Ordering::SeqCst);
        }
    }

    impl Drop for Address {
        fn drop(&mut self) {
            self.passing.abort();
        }
    }
}
