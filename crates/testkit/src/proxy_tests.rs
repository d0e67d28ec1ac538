use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::*;
use crate::{TestDatabase, eventually};

async fn one(connection: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar("SELECT 1").fetch_one(connection).await
}

#[tokio::test]
async fn a_cut_ends_what_was_connected_and_refuses_the_rest_until_it_is_mended() {
    let database = TestDatabase::create().await;
    let mut proxy = Proxy::before(&database.url()).await.unwrap();
    let mut connection = PgConnection::connect(proxy.url()).await.unwrap();
    assert_eq!(one(&mut connection).await.unwrap(), 1);

    proxy.cut().await;
    assert!(one(&mut connection).await.is_err());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).await.is_err());
    assert!(PgConnection::connect(&database.url()).await.is_ok());

    proxy.mend().await.unwrap();
    let mut connection = PgConnection::connect(proxy.url()).await.unwrap();
    assert_eq!(one(&mut connection).await.unwrap(), 1);
}

#[tokio::test]
async fn nothing_listens_once_a_proxy_is_dropped() {
    let proxy = Proxy::before("postgres://nobody@127.0.0.1:1/none").await.unwrap();
    let port = proxy.port;
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok());
    drop(proxy);
    eventually(Duration::from_secs(10), "the end of the proxy", || async {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err().then_some(())
    })
    .await;
}

#[test]
fn only_host_and_port_of_a_url_change() {
    let address = "127.0.0.1:7";
    for (url, expected) in [
        ("postgres://u:p@h:5432/db?sslmode=disable", "postgres://u:p@127.0.0.1:7/db?sslmode=disable"),
        ("postgresql://h?user=u", "postgresql://127.0.0.1:7?user=u"),
        ("postgres://[::1]:5432/db", "postgres://127.0.0.1:7/db"),
    ] {
        assert_eq!(with_address(url, address).unwrap(), expected);
    }
    assert!(with_address("here", address).is_err());
}
