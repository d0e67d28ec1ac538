//! How the statements that run all the time find their tasks: by an index, whatever the statistics say.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use distrack_store::Store;
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

/// Many tasks of three queues and priorities: most have ended, some wait.
const FILL: &str = "
    INSERT INTO tasks (id, state, queue, priority, scheduled_at, due_at, max_attempts, backoff_initial_ms,
        backoff_max_ms, on_lost, spec, traceparent)
    SELECT gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 0 ELSE 3 END, 'q' || n % 3, n % 3, now(), now(), 1, 1, 1, 0,
        '{}', '' FROM generate_series(1, 20000) n";

async fn plan(connection: &mut PgConnection, file: &str, arguments: &str) -> String {
    let sql = std::fs::read_to_string(format!("sql/{file}.sql")).unwrap();
    connection.execute(AssertSqlSafe(format!("PREPARE {file} AS {sql}"))).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE {file}{arguments}");
    let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    rows.into_iter().map(|(line,)| line + "\n").collect()
}

#[tokio::test]
async fn an_explanation_reads_no_more_of_a_backlog_than_it_counts() {
    const ID: &str = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    let mut connection = store.pool().acquire().await.unwrap();
    connection.execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    connection.execute(FILL).await.unwrap();
    for round in ["without statistics", "with statistics"] {
        let ahead = format!("('q0', 0::smallint, now(), {ID}, 100)");
        let plan_of_ahead = plan(&mut connection, "ahead", &ahead).await;
        assert!(plan_of_ahead.contains("tasks_due"), "{round}: {plan_of_ahead}");
        let plan_of_serving = plan(&mut connection, "serving", "(NULL, NULL)").await;
        assert!(plan_of_serving.contains("tasks_session"), "{round}: {plan_of_serving}");
        let id = ID.replace('\'', "");
        let plan_of_get = plan(&mut connection, "get", &format!("('{{{id}}}')")).await;
        let plan_of_attempts = plan(&mut connection, "attempts", &format!("({ID})")).await;
        for plan in [plan_of_ahead, plan_of_serving, plan_of_get, plan_of_attempts] {
            for table in ["tasks", "attempts"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{round}: {plan}");
            }
            assert!(!plan.contains("Sort Key: tasks"), "what is sorted is read whole, {round}: {plan}");
        }
        for name in ["ahead", "serving", "get", "attempts"] {
            connection.execute(AssertSqlSafe(format!("DEALLOCATE {name}"))).await.unwrap();
        }
        connection.execute("ANALYZE tasks").await.unwrap();
    }
}

#[tokio::test]
async fn a_claim_and_a_look_at_what_is_due_read_the_due_index_alone() {
    const SLOT: &str = "'{00000000-0000-0000-0000-000000000001}'";
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    let mut connection = store.pool().acquire().await.unwrap();
    // As from a server that has seen the statements often, and no statistics yet; then with them.
    connection.execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    connection.execute(FILL).await.unwrap();
    for round in ["without statistics", "with statistics"] {
        let claim = format!("({s}, {s}, '{{t}}', '{{s}}', NULL, '{{}}', '{{1}}')", s = SLOT).replacen(
            SLOT,
            "'00000000-0000-0000-0000-000000000001'",
            1,
        );
        let plans =
            [plan(&mut connection, "claim", &claim).await, plan(&mut connection, "next_due", "").await];
        for plan in plans {
            assert!(plan.contains("tasks_due"), "{round}: {plan}");
            assert!(!plan.contains("Seq Scan on tasks"), "{round}: {plan}");
        }
        for statement in ["DEALLOCATE claim", "DEALLOCATE next_due", "ANALYZE tasks"] {
            connection.execute(statement).await.unwrap();
        }
    }
}
