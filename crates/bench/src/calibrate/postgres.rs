//! What a Postgres can do for a queue that does nothing else: insert, claim and finish rows in batches over one
//! connection, and commit single rows from many.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::Bare;
use crate::settings::DatabaseUrl;
use crate::target::database::connect;

const ROWS: i64 = 40_000;
const INSERTED: i64 = 1_000;
const CLAIMED: i64 = 500;
/// Who commits single rows at once.
const CLIENTS: usize = 16;
const LASTS: Duration = Duration::from_millis(700);

const TABLES: [&str; 3] = [
    "CREATE TABLE tasks (id bigint PRIMARY KEY, state smallint NOT NULL DEFAULT 0, due timestamptz NOT NULL DEFAULT now(), \
     payload text NOT NULL)",
    "CREATE INDEX tasks_due ON tasks (due, id) WHERE state = 0",
    "CREATE TABLE commits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL)",
];
const INSERT: &str = "INSERT INTO tasks (id, payload) SELECT n, 'echo hello' FROM generate_series($1::bigint, $1 + $2 - 1) AS n";
const CLAIM: &str = "UPDATE tasks SET state = 1 WHERE id = ANY(ARRAY(SELECT id FROM tasks WHERE state = 0 AND due <= now() \
                     ORDER BY due, id FOR UPDATE SKIP LOCKED LIMIT $1)) AND state = 0 RETURNING id, payload";
const FINISH: &str = "UPDATE tasks SET state = 3 WHERE id = ANY($1) AND state = 1";

/// Measures in a schema of its own, which is dropped.
pub(super) async fn measure(url: &DatabaseUrl) -> Result<Bare> {
    let schema = format!("distrack_bench_{}", uuid::Uuid::new_v4().simple());
    let mut connection = connect(url).await?;
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
    let measured = inside(url, &schema).await;
    connection.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await?;
    connection.close().await?;
    measured
}

async fn inside(url: &DatabaseUrl, schema: &str) -> Result<Bare> {
    let mut connection = within(url, schema).await?;
    for table in TABLES {
        connection.execute(table).await?;
    }
    let began = Instant::now();
    for first in (0..ROWS).step_by(usize::try_from(INSERTED)?) {
        sqlx::query(INSERT).bind(first).bind(INSERTED).execute(&mut connection).await?;
    }
    let insert = ROWS as f64 / began.elapsed().as_secs_f64();
    // As a table has that is in use for long.
    connection.execute("ANALYZE tasks").await?;
    let began = Instant::now();
    let mut finished = 0;
    loop {
        let claimed: Vec<(i64, String)> =
            sqlx::query_as(CLAIM).bind(CLAIMED).fetch_all(&mut connection).await?;
        if claimed.is_empty() {
            break;
        }
        let ids: Vec<i64> = claimed.into_iter().map(|(id, _)| id).collect();
        finished += sqlx::query(FINISH).bind(ids).execute(&mut connection).await?.rows_affected();
    }
    let claim_finish = ROWS as f64 / began.elapsed().as_secs_f64();
    ensure!(finished == ROWS.unsigned_abs(), "{finished} of {ROWS} rows were finished");
    connection.close().await?;
    Ok(Bare { insert, claim_finish, commits: commits(url, schema).await? })
}

async fn commits(url: &DatabaseUrl, schema: &str) -> Result<f64> {
    let clients = try_join_all((0..CLIENTS).map(|_| within(url, schema))).await?;
    let began = Instant::now();
    let lanes = clients.into_iter().map(|mut connection| async move {
        let mut count = 0_u32;
        while began.elapsed() < LASTS {
            let insert = "INSERT INTO commits (payload) VALUES ('echo hello') RETURNING id";
            let (_id,): (i64,) = sqlx::query_as(insert).fetch_one(&mut connection).await?;
            count += 1;
        }
        anyhow::Ok(count)
    });
    let counts = try_join_all(lanes).await?;
    Ok(f64::from(counts.iter().sum::<u32>()) / began.elapsed().as_secs_f64())
}

async fn within(url: &DatabaseUrl, schema: &str) -> Result<PgConnection> {
    let mut connection = connect(url).await?;
    connection.execute(AssertSqlSafe(format!("SET search_path TO {schema}"))).await?;
    Ok(connection)
}
