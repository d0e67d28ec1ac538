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
        connection.execute(PgStore::BEGIN_EXPLAIN).await.unwrap();
        let ids = ID.replacen('\'', "'{", 1).replace("f'", "f}'");
        for (file, arguments) in [
            ("ahead", format!("('q0', 0::smallint, now(), {ID}, 10001)")),
            ("serving", "(NULL, NULL)".to_owned()),
            ("get", format!("({ids})")),
            ("attempts", format!("({ID})")),
        ] {
            let plan = plan(&mut connection, file, &arguments).await;
            for table in ["tasks", "attempts"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{file} {round}: {plan}");
            }
            assert!(!plan.contains("JIT:"), "{file} {round}: {plan}");
            if file == "ahead" {
                // What is sorted, or gathered into a bitmap, is read whole.
                assert_eq!(plan.matches("Index Scan using tasks_due").count(), 4, "{round}: {plan}");
                assert!(!plan.contains("Sort") && !plan.contains("Bitmap"), "{round}: {plan}");
            }
            connection.execute(AssertSqlSafe(format!("DEALLOCATE {file}"))).await.unwrap();
        }
        connection.execute("COMMIT").await.unwrap();
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
        let claim = format!("({s}, {s}, '{{t}}', '{{s}}', NULL, '{{}}', '{{1}}', -1)", s = SLOT).replacen(
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

#[tokio::test]
async fn notes_are_found_by_their_task_and_removed_from_the_oldest_on_and_never_changed() {
    const NOTES: &str = "
        INSERT INTO audit (action, task_id, other_task_id, trace_id)
        SELECT CASE WHEN n % 1000 = 0 THEN 3 ELSE 1 END, lpad(to_hex(n), 32, '0')::uuid,
            CASE WHEN n % 1000 = 0 THEN gen_random_uuid() END, 'a' FROM generate_series(1, 100000) n";
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    let mut connection = store.pool().acquire().await.unwrap();
    connection.execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    connection.execute(NOTES).await.unwrap();
    // As a vacuum that follows many inserts does.
    connection.execute("SELECT brin_summarize_new_values('audit_task')").await.unwrap();
    connection.execute("ANALYZE audit").await.unwrap();
    let [id, earliest] = ["0000c350", "0000c300"].map(|end| format!("'00000000-0000-0000-0000-0000{end}'"));
    for (file, arguments) in [
        ("audit", "(9223372036854775807, 101)".to_owned()),
        ("audit_of_task", format!("({id}, {earliest}, 9223372036854775807, 101)")),
        ("prune_audit", "(0, 100)".to_owned()),
    ] {
        let plan = plan(&mut connection, file, &arguments).await;
        assert!(!plan.contains("Seq Scan on audit"), "{file}: {plan}");
        if file == "audit_of_task" {
            assert_eq!(plan.matches("Bitmap Index Scan on audit_task").count(), 2, "{plan}");
            assert!(plan.contains("audit_retried") && !plan.contains("audit_pkey"), "{plan}");
        }
    }
    for change in ["UPDATE audit SET action = 2", "TRUNCATE audit"] {
        let refused = connection.execute(change).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}
