//! Registrations, heartbeats and moves: the worker stays known, and keeps what it holds.

use std::time::Duration;

use crate::common::{Worker, assignment, settings, start, until};
use crate::coordinator::Fake;
use distrack_proto::convert;
use distrack_proto::v1::{self, Acceptance, CancelAttemptsRequest};
use distrack_worker::{ServeError, Settings};
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
async fn a_worker_that_could_run_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let good = settings(&dir, &[&fake]);
    let refusal = start(Settings { slots: 0, ..good.clone() }).await.served.await.unwrap().unwrap_err();
    assert!(matches!(refusal, ServeError::NoSlots), "{refusal}");
    let nobody = Settings { coordinators: Vec::new(), ..good.clone() };
    assert!(matches!(start(nobody).await.served.await.unwrap(), Err(ServeError::NoCoordinator)));
    let bad = Settings { coordinators: vec!["nowhere".to_owned()], ..good };
    assert!(matches!(start(bad).await.served.await.unwrap(), Err(ServeError::Coordinator { .. })));
}

#[tokio::test]
async fn a_second_worker_with_the_same_state_dir_is_refused_and_the_first_goes_on() {
    let (_dir, fake, worker) = pair().await;
    let refusal = start(worker.settings.clone()).await.served.await.unwrap().unwrap_err();
    assert!(matches!(refusal, ServeError::StateDirInUse { .. }), "{refusal}");
    let attempt = worker.run(&fake, "true").await;
    fake.result(&attempt).await;
    worker.stop().await;
}

#[tokio::test]
async fn heartbeats_say_how_busy_the_worker_is_and_wait_behind_no_report() {
    let (_dir, fake, worker) = pair().await;
    fake.state().reports_hang = true;
    worker.run(&fake, "sleep 60").await;
    worker.run(&fake, "true").await;
    until("busy", || fake.state().heartbeats.last().is_some_and(|heartbeat| heartbeat.busy == 1)).await;
    let before = fake.state().heartbeats.len();
    until("more heartbeats", || fake.state().heartbeats.len() > before + 10).await;
    assert_eq!(fake.state().registrations.len(), 1);
    fake.state().reports_hang = false;
    worker.served.abort();
}

#[tokio::test]
async fn a_worker_that_is_not_known_any_more_registers_anew_with_what_it_holds() {
    let (_dir, fake, worker) = pair().await;
    let attempt = worker.run(&fake, "sleep 60").await;
    for (nth, code) in [(2, Code::NotFound), (3, Code::FailedPrecondition)] {
        fake.state().heartbeat_error = Some(code);
        worker.attached(&fake, nth).await;
        assert_eq!(fake.state().registrations[nth - 1].held, std::slice::from_ref(&attempt));
    }
    // The instance is the same, and so is the session.
    let state = fake.state();
    assert_eq!(state.registrations[0].instance_id, state.registrations[2].instance_id);
    drop(state);
    worker.served.abort();
}

#[tokio::test]
async fn a_worker_whose_result_is_received_beside_a_registration_registers_anew() {
    let (_dir, fake, worker) = pair().await;
    fake.state().reports_wait = true;
    let program = Some(v1::command::Program::Noop(v1::Noop {}));
    let command = v1::Command { program, timeout_ms: 1, ..v1::Command::default() };
    let noop = v1::Assignment { command: Some(command), ..assignment("") };
    let attempt = noop.attempt.clone().unwrap();
    assert_eq!(worker.dispatch(&fake, vec![noop]).await.unwrap(), [Acceptance::Accepted]);
    until("its result is under way", || fake.state().reports_begun > 0).await;
    {
        let mut state = fake.state();
        state.registrations_hang = true;
        state.heartbeat_error = Some(Code::NotFound);
    }
    until("registers anew", || fake.state().registrations.len() == 2).await;
    assert_eq!(fake.state().registrations[1].held, [attempt], "it says that it holds the result");
    fake.state().reports_wait = false;
    until("the result is received", || worker.shows("distrack_spool_records 0")).await;
    fake.state().registrations_hang = false;
    // Or the coordinator would wait for the result for ever, and keep its slot.
    until("takes it back", || fake.state().registrations.get(2).is_some_and(|third| third.held.is_empty()))
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_registering_says_try_again_and_takes_nothing() {
    let (_dir, fake, worker) = pair().await;
    let (session, attach) = fake.registration();
    {
        let mut state = fake.state();
        state.registrations_hang = true;
        state.heartbeat_error = Some(Code::NotFound);
    }
    until("registers anew", || fake.state().registrations.len() == 2).await;
    let refusal = worker.dispatch(&fake, vec![assignment("true")]).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Aborted);
    let session_id = convert::id_bytes(session);
    let request = CancelAttemptsRequest { session_id, attach, attempts: Vec::new() };
    let refusal = worker.client().await.cancel_attempts(request).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Aborted);
    assert!(worker.shows(r#"distrack_dispatch_refused_total{reason="registering"} 1"#));
    fake.state().registrations_hang = false;
    worker.attached(&fake, 2).await;
    assert_eq!(worker.dispatch(&fake, vec![assignment("true")]).await.unwrap(), [Acceptance::Accepted]);
    worker.stop().await;
}

#[tokio::test]
async fn what_a_registration_says_to_kill_is_gone_at_once_and_never_reported() {
    let (_dir, fake, worker) = pair().await;
    let attempt = worker.run(&fake, "trap '' TERM; while :; do sleep 0.05; done").await;
    until("started", || fake.state().started.contains(&attempt)).await;
    {
        let mut state = fake.state();
        state.kill.push(attempt.clone());
        state.heartbeat_error = Some(Code::NotFound);
    }
    until("killed", || worker.shows(r#"distrack_worker_slots{state="used"} 0"#)).await;
    until("counted", || worker.shows(r#"distrack_attempts_total{outcome="worker_lost"} 1"#)).await;
    assert!(fake.find(&attempt).is_none());
    worker.stop().await;
}

#[tokio::test]
async fn when_its_coordinator_dies_the_worker_moves_on_and_its_attempts_survive() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, second) = (Fake::start(), Fake::start());
    let worker = start(settings(&dir, &[&first, &second])).await;
    worker.attached(&first, 1).await;
    let go = dir.path().join("go");
    let line = format!("while [ ! -e {} ]; do sleep 0.02; done; echo survived", go.display());
    let attempt = worker.run(&first, &line).await;
    first.die();
    worker.attached(&second, 1).await;
    assert_eq!(second.state().registrations[0].held, std::slice::from_ref(&attempt));
    std::fs::write(go, "").unwrap();
    assert_eq!(second.result(&attempt).await.stdout.unwrap().head.as_ref(), b"survived\n");
    assert_eq!(worker.dispatch(&second, vec![assignment("true")]).await.unwrap(), [Acceptance::Accepted]);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_waits_for_its_first_coordinator_and_is_not_ready_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut nobody = Fake::start();
    nobody.die();
    let worker = start(settings(&dir, &[&nobody])).await;
    until("it says so", || worker.readiness.get().is_err_and(|reason| reason.contains("registered"))).await;
    // The one that died may still hold its port for a moment.
    let bind = || std::net::TcpListener::bind(nobody.address).ok();
    let mut free = bind();
    until("its port is free", || {
        free = free.take().or_else(bind);
        free.is_some()
    })
    .await;
    let fake = Fake::on(free.unwrap());
    worker.attached(&fake, 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_only_coordinator_dies_says_that_it_is_attached_to_none() {
    let (_dir, mut fake, worker) = pair().await;
    until("attached", || worker.shows("distrack_worker_attached 1") && worker.readiness.get().is_ok()).await;
    fake.die();
    until("detached", || worker.shows("distrack_worker_attached 0") && worker.readiness.get().is_err()).await;
    worker.stop().await;
}

#[tokio::test]
async fn results_wait_for_a_coordinator_that_takes_them_and_hold_no_slot_meanwhile() {
    let (_dir, fake, worker) = pair().await;
    fake.state().report_error = Some(Code::Unavailable);
    let attempt = worker.run(&fake, "true").await;
    until("kept", || worker.shows("distrack_spool_records 1")).await;
    until("no slot is held", || worker.shows(r#"distrack_worker_slots{state="used"} 0"#)).await;
    until("tried", || fake.state().results_refused >= 2).await;
    assert!(worker.shows("distrack_spool_records 1"));
    fake.state().report_error = None;
    fake.result(&attempt).await;
    until("forgotten", || worker.shows("distrack_spool_records 0")).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_result_that_is_refused_for_good_is_told_as_a_plain_failure() {
    let (_dir, fake, worker) = pair().await;
    fake.state().output_refused = true;
    let (succeeded, failed) = (worker.run(&fake, "echo x").await, worker.run(&fake, "echo x; exit 3").await);
    // What has run is not run again for it; whether a failure is tried again is as if it had been read.
    for (attempt, for_good) in [(succeeded, true), (failed, false)] {
        let told = fake.result(&attempt).await;
        assert_eq!((told.cause(), told.final_failure), (v1::Cause::ExitCode, for_good), "{told:?}");
        assert!(told.ran_us.is_some() && !told.error.is_empty(), "{told:?}");
        let rest = (told.exit_code, told.usage, told.stdout, told.stderr);
        assert_eq!(rest, (None, None, None, None));
    }
    until("forgotten", || worker.shows("distrack_spool_records 0")).await;
    assert_eq!(fake.state().registrations.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_result_that_is_refused_however_it_is_told_is_kept_and_holds_up_no_other() {
    let (_dir, fake, worker) = pair().await;
    fake.state().poison = Some((7, Code::InvalidArgument));
    let of = |epoch| v1::Assignment {
        attempt: Some(v1::AttemptRef { epoch, ..assignment("").attempt.unwrap() }),
        ..assignment("echo precious")
    };
    let all = vec![of(7), of(1)];
    let attempts: Vec<_> = all.iter().map(|assignment| assignment.attempt.clone().unwrap()).collect();
    worker.dispatch(&fake, all).await.unwrap();
    fake.result(&attempts[1]).await;
    until("told twice", || fake.state().poisoned >= 2).await;
    until("only it is left", || worker.shows("distrack_spool_records 1")).await;
    fake.state().heartbeat_error = Some(Code::NotFound);
    worker.attached(&fake, 2).await;
    assert_eq!(fake.state().registrations[1].held, [attempts[0].clone()], "or it would run again");

    let settings = worker.crash().await;
    fake.state().poison = None;
    let second = start(settings).await;
    let told = fake.result(&attempts[0]).await;
    assert_eq!(told.stdout.unwrap().head.as_ref(), b"precious\n", "all of it, to whoever can read it");
    second.stop().await;
}

#[tokio::test]
async fn a_report_that_a_coordinator_stumbles_over_does_not_hold_up_the_others() {
    let (_dir, fake, worker) = pair().await;
    fake.state().report_error = Some(Code::Unavailable);
    let of = |epoch| v1::Assignment {
        attempt: Some(v1::AttemptRef { epoch, ..assignment("").attempt.unwrap() }),
        ..assignment("true")
    };
    let all = vec![of(7), of(1), of(2)];
    let attempts: Vec<_> = all.iter().map(|assignment| assignment.attempt.clone().unwrap()).collect();
    worker.dispatch(&fake, all).await.unwrap();
    until("all wait", || worker.shows("distrack_spool_records 3")).await;
    let before = fake.state().report_calls;
    until("in one batch", || fake.state().report_calls > before + 1).await;
    {
        let mut state = fake.state();
        state.poison = Some((7, Code::Internal));
        state.report_error = None;
    }
    fake.result(&attempts[1]).await;
    fake.result(&attempts[2]).await;
    assert!(fake.find(&attempts[0]).is_none());
    // It is kept: another coordinator, or a better one, may take it.
    until("only it is left", || worker.shows("distrack_spool_records 1")).await;
    worker.served.abort();
}

#[tokio::test]
async fn a_result_survives_a_crash_of_the_worker_and_is_delivered_by_the_next() {
    let (_dir, fake, worker) = pair().await;
    fake.state().report_error = Some(Code::Unavailable);
    let attempt = worker.run(&fake, "echo precious").await;
    until("kept", || worker.shows("distrack_spool_records 1") && fake.state().report_calls > 0).await;
    let settings = worker.crash().await;
    let second = start(settings).await;
    second.attached(&fake, 2).await;
    assert_eq!(fake.state().registrations[1].held, std::slice::from_ref(&attempt));
    {
        let state = fake.state();
        assert_eq!(state.registrations[0].worker_id, state.registrations[1].worker_id);
        assert_ne!(state.registrations[0].instance_id, state.registrations[1].instance_id);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    fake.state().report_error = None;
    let finished = fake.result(&attempt).await;
    assert_eq!(finished.stdout.unwrap().head.as_ref(), b"precious\n");
    assert!(finished.ago_us >= 20_000, "it ended before it was delivered: {}", finished.ago_us);
    second.stop().await;
}
