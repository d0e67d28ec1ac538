//! A collector behind TLS.

use distrack_testkit::{Collector, Fleet, TestDatabase};
use serde_json::json;

use super::tree::{run, spans_of};
use super::{fleet, spans_are_dropped};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_go_to_a_collector_whose_certificate_is_trusted() {
    let database = TestDatabase::create().await;
    let (collector, certificate) = Collector::start_with_tls().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.pem");
    std::fs::write(&file, certificate).unwrap();
    let fleet = fleet(&database, &collector)
        .variable("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap())
        .start()
        .await
        .unwrap();
    let task = run(&fleet.api(), &json!({"command": "true"})).await;
    spans_of(&collector, &task, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_do_not_go_to_a_collector_whose_certificate_nobody_vouches_for() {
    let database = TestDatabase::create().await;
    let (collector, _) = Collector::start_with_tls().await.unwrap();
    let fleet: Fleet = fleet(&database, &collector).start().await.unwrap();
    run(&fleet.api(), &json!({"command": "true"})).await;
    spans_are_dropped(&fleet).await;
    assert_eq!(collector.calls(), 0);
}
