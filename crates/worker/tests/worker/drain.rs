//! How a worker leaves.

use crate::common::{assignment, settings, start, until};
use crate::coordinator::Fake;
use distrack_proto::v1::{Acceptance, Cause};
use distrack_worker::Settings;
use std::time::Duration;

#[tokio::test]
async fn a_draining_worker_takes_nothing_new_says_so_and_lets_commands_end() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = start(Settings { drain_timeout: Duration::from_secs(20), ..settings(&dir, &[&fake]) }).await;
    worker.attached(&fake, 1).await;
    let go = dir.path().join("go");
    let line = format!("while [ ! -e {} ]; do sleep 0.02; done; echo done", go.display());
    let attempt = worker.run(&fake, &line).await;
    worker.shutdown.cancel();
    until("it says so", || fake.state().heartbeats.last().is_some_and(|heartbeat| heartbeat.draining)).await;
    until("unready", || worker.readiness.get() == Err("draining".to_owned())).await;
    let answers = worker.dispatch(&fake, vec![assignment("true")]).await.unwrap();
    assert_eq!(answers, [Acceptance::Draining]);
    std::fs::write(go, "").unwrap();
    worker.stop().await;
    let finished = fake.find(&attempt).unwrap();
    assert_eq!((finished.cause(), finished.exit_code), (Cause::Unspecified, Some(0)));
    assert_eq!(fake.state().deregistered, 1);
}

#[tokio::test]
async fn what_outlasts_the_drain_timeout_is_stopped_and_reported_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = start(settings(&dir, &[&fake])).await;
    worker.attached(&fake, 1).await;
    let polite = worker.run(&fake, "sleep 60").await;
    let rude = worker.run(&fake, "trap '' TERM; while :; do sleep 0.05; done").await;
    until("both run", || fake.state().started.len() == 2).await;
    worker.stop().await;
    for attempt in [polite, rude] {
        let finished = fake.find(&attempt).unwrap();
        assert_eq!(finished.cause(), Cause::Interrupted);
        assert!(finished.error.contains("the worker stopped"), "{}", finished.error);
    }
    assert_eq!(fake.state().deregistered, 1);
}

#[tokio::test]
async fn the_state_dir_is_free_again_after_the_drain() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    for times in 1..=2 {
        let worker = start(settings(&dir, &[&fake])).await;
        worker.attached(&fake, times).await;
        worker.stop().await;
    }
    let state = fake.state();
    assert_eq!(state.registrations[0].worker_id, state.registrations[1].worker_id);
}

#[tokio::test]
async fn a_worker_without_any_coordinator_stops_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut nobody = Fake::start();
    nobody.die();
    start(settings(&dir, &[&nobody])).await.stop().await;
}

#[tokio::test]
async fn a_draining_worker_heartbeats_until_its_last_result_is_received() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = start(settings(&dir, &[&fake])).await;
    worker.attached(&fake, 1).await;
    fake.state().report_error = Some(tonic::Code::Unavailable);
    let attempt = worker.run(&fake, "true").await;
    until("kept", || worker.shows("distrack_spool_records 1")).await;
    worker.shutdown.cancel();
    until("draining", || fake.state().heartbeats.last().is_some_and(|heartbeat| heartbeat.draining)).await;
    let before = fake.state().heartbeats.len();
    until("more heartbeats", || fake.state().heartbeats.len() > before + 5).await;
    assert_eq!(fake.state().deregistered, 0, "the result would be lost with the session");
    fake.state().report_error = None;
    worker.stop().await;
    assert!(fake.find(&attempt).is_some());
    assert_eq!(fake.state().deregistered, 1);
}
