use super::*;
use sqlx::{Connection, PgConnection};

async fn value(url: &str, query: &'static str) -> sqlx::Result<String> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(query).fetch_one(&mut connection).await
}

#[tokio::test]
async fn a_server_is_durable_and_gone_when_dropped() {
    if Postgres::is_left_out() {
        return;
    }
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
    if Postgres::is_left_out() {
        return;
    }
    let settings = PostgresSettings { fsync: false, extra: vec![("work_mem".into(), "7MB".into())] };
    let (one, two) = (Postgres::start().unwrap(), Postgres::start_with(&settings).unwrap());
    assert_eq!(value(&one.admin_url(), "SHOW fsync").await.unwrap(), "on");
    assert_eq!(value(&two.admin_url(), "SHOW fsync").await.unwrap(), "off");
    assert_eq!(value(&two.admin_url(), "SHOW work_mem").await.unwrap(), "7MB");
}

#[tokio::test]
async fn a_killed_server_keeps_what_was_committed_and_comes_back_on_its_port() {
    if Postgres::is_left_out() {
        return;
    }
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

#[tokio::test]
async fn a_guard_that_is_told_to_end_still_removes_the_server() {
    if Postgres::is_left_out() {
        return;
    }
    let server = Postgres::start().unwrap();
    let (guard, folder) = (Pid::from_child(&server.guard), server.folder.clone());
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(guard, signal).unwrap();
    }
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn only_a_named_server_makes_up_for_missing_programs() {
    let (url, found) = (|| Some("postgres://here".to_owned()), || Ok(PathBuf::from("/bin")));
    let missing = || Err(anyhow::anyhow!("no programs"));
    assert_eq!(left_out_because(url(), missing()), Some("no programs".to_owned()));
    assert_eq!(left_out_because(None, missing()), None);
    assert_eq!(left_out_because(url(), found()), None);
}
