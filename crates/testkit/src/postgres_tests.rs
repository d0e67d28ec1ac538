use super::*;
use sqlx::{Connection, PgConnection};

async fn value(url: &str, query: &'static str) -> sqlx::Result<String> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(query).fetch_one(&mut connection).await
}

#[tokio::test]
async fn a_server_is_durable_and_gone_when_dropped() {
    let server = Postgres::start().unwrap();
    let (url, folder) = (server.admin_url(), server.folder.clone());
    assert_eq!(value(&url, "SHOW fsync").await.unwrap(), "on");
    assert_eq!(value(&url, "SHOW server_encoding").await.unwrap(), "UTF8");
    drop(server);
    assert!(PgConnection::connect(&url).await.is_err());
    assert!(!folder.exists());
}

#[tokio::test]
async fn two_servers_run_at_once() {
    let settings = PostgresSettings { fsync: false, extra: vec![("work_mem".into(), "7MB".into())] };
    let (one, two) = (Postgres::start().unwrap(), Postgres::start_with(&settings).unwrap());
    assert_eq!(value(&one.admin_url(), "SHOW fsync").await.unwrap(), "on");
    assert_eq!(value(&two.admin_url(), "SHOW fsync").await.unwrap(), "off");
    assert_eq!(value(&two.admin_url(), "SHOW work_mem").await.unwrap(), "7MB");
}

#[tokio::test]
async fn a_killed_server_keeps_what_was_committed_and_comes_back_on_its_port() {
    let server = Postgres::start().unwrap();
    let url = server.admin_url();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')")
        .execute(&mut connection)
        .await
        .unwrap();
    server.kill().unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().unwrap();
    assert_eq!(value(&url, "SELECT word FROM kept").await.unwrap(), "here");
    server.stop().unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().unwrap();
    assert_eq!(value(&url, "SELECT word FROM kept").await.unwrap(), "here");
}
