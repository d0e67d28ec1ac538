//! Messages that no worker of ours would send: a clear refusal that names the field, and nothing changes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::{LIMIT, coordinator, registration};
use bytes::Bytes;
use distrack_proto::v1;
use distrack_store::Store;
use tonic::Code;

fn address() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

#[tokio::test]
async fn a_registration_with_a_bad_field_is_refused_by_its_name() {
    let mut served = coordinator().await;
    let good = registration(address());
    let bad = [
        ("worker_id", v1::RegisterWorkerRequest { worker_id: Bytes::from_static(b"x"), ..good.clone() }),
        ("instance_id", v1::RegisterWorkerRequest { instance_id: Bytes::new(), ..good.clone() }),
        ("name", v1::RegisterWorkerRequest { name: String::new(), ..good.clone() }),
        ("name", v1::RegisterWorkerRequest { name: "two\nlines".to_owned(), ..good.clone() }),
        ("host_id", v1::RegisterWorkerRequest { host_id: "h".repeat(257), ..good.clone() }),
        ("address", v1::RegisterWorkerRequest { address: "no port".to_owned(), ..good.clone() }),
        ("address", v1::RegisterWorkerRequest { address: "host:0".to_owned(), ..good.clone() }),
        ("slots", v1::RegisterWorkerRequest { slots: 0, ..good.clone() }),
        ("slots", v1::RegisterWorkerRequest { slots: 10_001, ..good.clone() }),
        ("queues", v1::RegisterWorkerRequest { queues: vec!["Not OK".to_owned()], ..good.clone() }),
        ("queues", v1::RegisterWorkerRequest { queues: vec!["q".to_owned(); 1_001], ..good.clone() }),
        ("version", v1::RegisterWorkerRequest { version: "1\0".to_owned(), ..good.clone() }),
        ("isolation", v1::RegisterWorkerRequest { isolation: "two\nlines".to_owned(), ..good.clone() }),
        ("labels", v1::RegisterWorkerRequest { labels: labels(33), ..good.clone() }),
        ("labels", v1::RegisterWorkerRequest { labels: label(&"k".repeat(64), ""), ..good.clone() }),
        ("labels", v1::RegisterWorkerRequest { labels: label("k", &"v".repeat(257)), ..good.clone() }),
        ("labels", v1::RegisterWorkerRequest { labels: label("k", "\0"), ..good.clone() }),
        ("held", v1::RegisterWorkerRequest { held: vec![attempt(0)], ..good.clone() }),
    ];
    for (field, request) in bad {
        let status = served.client.register_worker(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert!(status.message().starts_with(field), "{field}: {}", status.message());
    }
    assert!(served.store.workers().await.unwrap().is_empty(), "nothing was stored");
    served.client.register_worker(good).await.unwrap();
}

/// DNS names are judged by what they stand for, here and when they are dialled.
#[tokio::test]
async fn a_registration_from_where_no_worker_can_be_is_refused_with_the_address() {
    let mut served = coordinator().await;
    let good = registration(address());
    for host in ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "224.0.0.1", "0.0.0.0"]
    {
        let request = v1::RegisterWorkerRequest { address: format!("{host}:80"), ..good.clone() };
        let status = served.client.register_worker(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{host}");
        let said = status.message();
        assert!(
            said.starts_with("address") && said.contains(host.trim_matches(['[', ']'])),
            "{host}: {said}"
        );
    }
    assert!(served.store.workers().await.unwrap().is_empty(), "nothing was stored");
    // This client is on this machine.
    let request = v1::RegisterWorkerRequest { address: "localhost:1".to_owned(), ..good };
    served.client.register_worker(request).await.unwrap();
}

fn label(key: &str, value: &str) -> HashMap<String, String> {
    [(key.to_owned(), value.to_owned())].into()
}

fn labels(count: usize) -> HashMap<String, String> {
    (0..count).map(|n| (format!("k{n}"), String::new())).collect()
}

fn attempt(epoch: i64) -> v1::AttemptRef {
    v1::AttemptRef { task_id: distrack_proto::convert::id_bytes(uuid::Uuid::now_v7()), epoch }
}

fn report(items: Vec<v1::AttemptReport>) -> v1::ReportAttemptsRequest {
    v1::ReportAttemptsRequest { session_id: distrack_proto::convert::id_bytes(uuid::Uuid::now_v7()), items }
}

fn finished(finished: v1::Finished) -> v1::AttemptReport {
    v1::AttemptReport {
        attempt: Some(attempt(1)),
        event: Some(v1::attempt_report::Event::Finished(finished)),
        trace: None,
    }
}

#[tokio::test]
async fn a_report_with_a_bad_field_is_refused_by_its_name() {
    let mut served = coordinator().await;
    let started = v1::attempt_report::Event::Started(v1::Started { ago_us: 1 });
    let item = v1::AttemptReport { attempt: Some(attempt(1)), event: Some(started), trace: None };
    let bad = [
        ("attempt", report(vec![v1::AttemptReport { attempt: None, ..item.clone() }])),
        ("attempt.epoch", report(vec![v1::AttemptReport { attempt: Some(attempt(-1)), ..item.clone() }])),
        ("items.event", report(vec![v1::AttemptReport { event: None, ..item.clone() }])),
        ("finished.cause", report(vec![finished(v1::Finished { cause: 99, ..v1::Finished::default() })])),
        (
            "finished.cause",
            report(vec![finished(v1::Finished { exit_code: Some(1), ..v1::Finished::default() })]),
        ),
        (
            "finished.error",
            report(vec![finished(v1::Finished { error: "x".repeat(4097), ..v1::Finished::default() })]),
        ),
        ("finished.stdout", report(vec![finished(oversized_output())])),
        ("items", report(vec![item.clone(); 1025])),
        ("session_id", v1::ReportAttemptsRequest { session_id: Bytes::new(), items: vec![item.clone()] }),
    ];
    for (field, request) in bad {
        let status = served.client.report_attempts(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert!(status.message().starts_with(field), "{field}: {}", status.message());
    }
    let receipts = served.client.report_attempts(report(vec![item])).await.unwrap().into_inner().receipts;
    assert_eq!(receipts, [i32::from(v1::Receipt::Stale)], "an unknown attempt changes nothing");
}

fn oversized_output() -> v1::Finished {
    let head = Bytes::from(vec![b'x'; 64 * 1024 + 1]);
    let stdout = v1::StreamOutput { bytes: head.len() as u64, head, tail: Bytes::new() };
    v1::Finished { stdout: Some(stdout), ..v1::Finished::default() }
}

#[tokio::test]
async fn a_message_past_the_limit_is_refused_without_a_hang() {
    let mut served = coordinator().await;
    let head = Bytes::from(vec![b'x'; distrack_proto::MAX_MESSAGE + 1]);
    let stdout = v1::StreamOutput { bytes: head.len() as u64, head, tail: Bytes::new() };
    let request = report(vec![finished(v1::Finished { stdout: Some(stdout), ..v1::Finished::default() })]);
    let answer =
        tokio::time::timeout(LIMIT, served.client.report_attempts(request)).await.expect("an answer in time");
    assert_eq!(answer.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_session_that_is_no_id_is_refused_by_name() {
    let mut served = coordinator().await;
    let session_id = Bytes::from_static(b"x");
    let heartbeat =
        v1::HeartbeatRequest { session_id: session_id.clone(), attach: 1, busy: 0, draining: false };
    let refused = [
        served.client.heartbeat(heartbeat).await.unwrap_err(),
        served.client.deregister_worker(v1::DeregisterWorkerRequest { session_id }).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("session_id"), "{}", status.message());
    }
}

#[tokio::test]
async fn a_heartbeat_of_an_unknown_session_is_told_to_register() {
    let mut served = coordinator().await;
    let session_id = distrack_proto::convert::id_bytes(uuid::Uuid::now_v7());
    let heartbeat = v1::HeartbeatRequest { session_id, attach: 1, busy: 0, draining: false };
    let answer =
        tokio::time::timeout(Duration::from_secs(5), served.client.heartbeat(heartbeat)).await.unwrap();
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);
}
