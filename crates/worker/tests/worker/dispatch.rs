//! From a Dispatch to a receipt, over real gRPC.

use std::time::Duration;

use crate::common::{Worker, assignment, settings, start, until};
use crate::coordinator::Fake;
use distrack_proto::v1::{self, Acceptance, CancelAttemptsRequest, Cause, DispatchRequest, Receipt};
use distrack_proto::{MAX_BATCH, MAX_MESSAGE, convert};
use tempfile::TempDir;
use tonic::Code;

async fn pair() -> (TempDir, Fake, Worker) {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = start(settings(&dir, &[&fake])).await;
    worker.attached(&fake, 1).await;
    (dir, fake, worker)
}

#[tokio::test]
async fn a_command_that_is_dispatched_runs_and_is_reported_with_its_output() {
    let (_dir, fake, worker) = pair().await;
    let good = worker.run(&fake, "echo hello").await;
    let bad = worker.run(&fake, "echo oops >&2; exit 7").await;
    let finished = fake.result(&good).await;
    assert_eq!((finished.cause(), finished.exit_code), (Cause::Unspecified, Some(0)));
    assert_eq!(finished.stdout.unwrap().head.as_ref(), b"hello\n");
    assert!(finished.ran_us.unwrap() > 0);
    assert!(finished.usage.is_some());
    let finished = fake.result(&bad).await;
    assert_eq!((finished.cause(), finished.exit_code), (Cause::ExitCode, Some(7)));
    assert_eq!(finished.stderr.unwrap().head.as_ref(), b"oops\n");
    until("counted", || worker.shows(r#"distrack_attempts_total{outcome="exit_code"} 1"#)).await;
    assert!(worker.shows(r#"distrack_attempts_total{outcome="success"} 1"#));
    until("forgotten", || worker.shows("distrack_spool_records 0")).await;
    assert!(worker.shows(r#"distrack_worker_slots{state="free"} 4"#));
    worker.stop().await;
}

#[tokio::test]
async fn a_registration_says_who_the_worker_is_and_where() {
    let (_dir, fake, worker) = pair().await;
    let request = fake.state().registrations[0].clone();
    assert_eq!(request.address, worker.address.to_string());
    assert_eq!((request.name.as_str(), request.slots, request.worker_id.len()), ("test", 4, 16));
    assert!(request.queues.is_empty() && request.held.is_empty());
    assert!(!request.host_id.is_empty() && !request.version.is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn a_dispatch_that_comes_twice_runs_once() {
    let (dir, fake, worker) = pair().await;
    let trace = dir.path().join("trace");
    let once = assignment(&format!("echo ran >> {}", trace.display()));
    let attempt = once.attempt.clone().unwrap();
    let twice = vec![once.clone(), once.clone()];
    assert_eq!(worker.dispatch(&fake, twice).await.unwrap(), [Acceptance::Accepted; 2]);
    fake.result(&attempt).await;
    until("forgotten", || worker.shows("distrack_spool_records 0")).await;
    assert_eq!(worker.dispatch(&fake, vec![once]).await.unwrap(), [Acceptance::Accepted]);
    let after = worker.run(&fake, "true").await;
    fake.result(&after).await;
    assert_eq!(std::fs::read_to_string(trace).unwrap(), "ran\n");
    assert_eq!(fake.state().finished.len(), 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_call_that_names_another_session_or_registration_is_refused_and_runs_nothing() {
    let (_dir, fake, worker) = pair().await;
    let (session, attach) = fake.registration();
    for (session, attach) in [(session, attach - 1), (uuid::Uuid::now_v7(), attach)] {
        let session_id = convert::id_bytes(session);
        let attempts = vec![assignment("true")];
        let request = DispatchRequest { session_id: session_id.clone(), attach, assignments: attempts };
        let refusal = worker.client().await.dispatch(request).await.unwrap_err();
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        let request = CancelAttemptsRequest { session_id, attach, attempts: Vec::new() };
        let refusal = worker.client().await.cancel_attempts(request).await.unwrap_err();
        assert_eq!(refusal.code(), Code::FailedPrecondition);
    }
    assert!(worker.shows(r#"distrack_dispatch_refused_total{reason="wrong_session"} 2"#));
    assert!(worker.shows(r#"distrack_worker_slots{state="used"} 0"#));
    worker.stop().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_names_its_field_and_runs_nothing() {
    let (_dir, fake, worker) = pair().await;
    let good = || assignment("true");
    let too_many = (0..=MAX_BATCH).map(|_| good()).collect();
    for (assignments, field) in [
        (vec![good(), v1::Assignment { number: 0, ..good() }], "assignments[1].number"),
        (vec![v1::Assignment { attempt: None, ..good() }], "assignments[0].attempt"),
        (vec![v1::Assignment { command: None, ..good() }], "assignments[0].command"),
        (too_many, "assignments: at most 1024"),
    ] {
        let refusal = worker.dispatch(&fake, assignments).await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{field}");
        assert!(refusal.message().starts_with(field), "{} instead of {field}", refusal.message());
    }
    let request = DispatchRequest { session_id: "x".into(), ..DispatchRequest::default() };
    let refusal = worker.client().await.dispatch(request).await.unwrap_err();
    assert!(refusal.message().starts_with("session_id"), "{}", refusal.message());
    assert!(worker.shows(r#"distrack_worker_slots{state="used"} 0"#));
    worker.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_big_is_refused_and_the_worker_goes_on() {
    let (_dir, fake, worker) = pair().await;
    let big = assignment(&"x".repeat(MAX_MESSAGE + 1));
    let refusal = worker.dispatch(&fake, vec![big]).await.unwrap_err();
    assert!(matches!(refusal.code(), Code::OutOfRange | Code::ResourceExhausted), "{refusal}");
    let attempt = worker.run(&fake, "true").await;
    fake.result(&attempt).await;
    worker.stop().await;
}

#[tokio::test]
async fn more_than_the_slots_hold_is_refused_one_by_one() {
    let (_dir, fake, worker) = pair().await;
    let six = (0..6).map(|_| assignment("sleep 60")).collect();
    let answers = worker.dispatch(&fake, six).await.unwrap();
    assert_eq!(answers[..4], [Acceptance::Accepted; 4]);
    assert_eq!(answers[4..], [Acceptance::NoSlot; 2]);
    worker.stop().await;
}

#[tokio::test]
async fn a_cancel_stops_a_command_by_call_or_by_heartbeat() {
    let (_dir, fake, worker) = pair().await;
    let (session, attach) = fake.registration();
    let session_id = convert::id_bytes(session);
    let first = worker.run(&fake, "sleep 60").await;
    let attempts = vec![first.clone()];
    let request = CancelAttemptsRequest { session_id, attach, attempts };
    worker.client().await.cancel_attempts(request).await.unwrap();
    assert_eq!(fake.result(&first).await.cause(), Cause::Cancelled);
    let second = worker.run(&fake, "sleep 60").await;
    fake.state().cancel.push(second.clone());
    assert_eq!(fake.result(&second).await.cause(), Cause::Cancelled);
    worker.stop().await;
}

#[tokio::test]
async fn a_start_is_reported_once_it_lasts_and_a_stale_one_ends_its_attempt_unreported() {
    let (_dir, fake, worker) = pair().await;
    fake.state().receipts.insert(2, Receipt::Stale);
    let lasting = worker.run(&fake, "sleep 60").await;
    until("started", || fake.state().started.contains(&lasting)).await;
    let stale = v1::Assignment {
        attempt: Some(v1::AttemptRef { epoch: 2, ..assignment("").attempt.unwrap() }),
        ..assignment("sleep 60")
    };
    worker.dispatch(&fake, vec![stale.clone()]).await.unwrap();
    until("superseded", || worker.shows(r#"distrack_attempts_total{outcome="worker_lost"} 1"#)).await;
    assert!(fake.find(&stale.attempt.unwrap()).is_none());
    worker.stop().await;
}

#[tokio::test]
async fn noops_complete_at_once_and_keep_a_whole_batch_apart_from_processes() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = start(distrack_worker::Settings { slots: 1000, ..settings(&dir, &[&fake]) }).await;
    worker.attached(&fake, 1).await;
    let noop = || {
        let program = Some(v1::command::Program::Noop(v1::Noop {}));
        let command = v1::Command { program, timeout_ms: 1, ..v1::Command::default() };
        v1::Assignment { command: Some(command), ..assignment("") }
    };
    let all = (0..1000).map(|_| noop()).collect();
    assert_eq!(worker.dispatch(&fake, all).await.unwrap(), [Acceptance::Accepted; 1000]);
    until("all are reported", || fake.state().finished.len() == 1000).await;
    assert!(fake.state().report_calls < 100, "reports are batched");
    worker.stop().await;
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let (_dir, _fake, worker) = pair().await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", worker.address))
        .unwrap()
        .connect()
        .await;
    let channel = channel.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let request = tonic_health::pb::HealthCheckRequest { service: "distrack.v1.WorkerService".to_owned() };
    let answer = tokio::time::timeout(Duration::from_secs(5), health.check(request)).await.unwrap().unwrap();
    assert_eq!(answer.into_inner().status, tonic_health::ServingStatus::Serving as i32);

    use tonic_reflection::pb::v1 as reflection;
    let mut client = reflection::server_reflection_client::ServerReflectionClient::new(channel);
    let ask = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(reflection::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap());
    assert!(answer.contains("distrack.v1.WorkerService"), "{answer}");
    worker.stop().await;
}
