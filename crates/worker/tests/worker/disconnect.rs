//! What becomes of running commands when no coordinator answers, and what an earlier run left.

use std::path::Path;
use std::process::{Command, Stdio};

use distrack_proto::v1::Cause;
use distrack_worker::{OnDisconnect, Settings};
use tonic::Code;

use crate::common::{Worker, assignment, settings, start, until};
use crate::coordinator::Fake;

const RUDE: &str = "trap '' TERM; while :; do sleep 0.05; done";

/// A worker that stops its commands when nobody answers, with a lease of 6 seconds.
async fn strict(dir: &tempfile::TempDir, coordinators: &[&Fake]) -> Worker {
    for fake in coordinators {
        fake.state().lost_after_ms = 6000;
    }
    let settings = settings(dir, coordinators);
    // A grace that would outlast the lease must not.
    let kill_grace = std::time::Duration::from_secs(3600);
    let worker = start(Settings { on_disconnect: OnDisconnect::Stop, kill_grace, ..settings }).await;
    worker.attached(coordinators[0], 1).await;
    worker
}

#[tokio::test]
async fn a_strict_worker_that_nobody_answers_stops_its_commands_and_reports_them_interrupted_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, second) = (Fake::start(), Fake::start());
    second.state().registrations_hang = true;
    let worker = strict(&dir, &[&first, &second]).await;
    let polite = worker.run(&first, "sleep 60").await;
    let rude = worker.run(&first, RUDE).await;
    until("both run", || first.state().started.len() == 2).await;
    let registration = first.registration();
    first.die();
    until("no slot is held", || worker.shows(r#"distrack_worker_slots{state="used"} 0"#)).await;
    until("both are kept", || worker.shows("distrack_spool_records 2")).await;
    // Whoever can reach it all the same gets no answer that would start something.
    let refused = worker.dispatch_as(registration, vec![assignment("true")]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    second.state().registrations_hang = false;
    for attempt in [polite, rude] {
        let finished = second.result(&attempt).await;
        assert_eq!(finished.cause(), Cause::Interrupted);
        assert!(finished.error.contains("no coordinator"), "{}", finished.error);
    }
    // It is as good as before.
    let next = worker.run(&second, "true").await;
    assert_eq!(second.result(&next).await.exit_code, Some(0));
    worker.stop().await;
}

#[tokio::test]
async fn a_strict_worker_that_is_answered_leaves_its_commands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = strict(&dir, &[&fake]).await;
    let attempt = worker.run(&fake, "sleep 7; echo through").await;
    let finished = fake.result(&attempt).await;
    assert_eq!((finished.cause(), finished.exit_code), (Cause::Unspecified, Some(0)));
    worker.stop().await;
}

#[tokio::test]
async fn what_a_receipt_calls_stale_is_gone_at_once_and_never_reported() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let settings = settings(&dir, &[&fake]);
    let kill_grace = std::time::Duration::from_secs(3600);
    let worker = start(Settings { kill_grace, ..settings }).await;
    worker.attached(&fake, 1).await;
    fake.state().receipts.insert(1, distrack_proto::v1::Receipt::Stale);
    let attempt = worker.run(&fake, RUDE).await;
    until("killed", || worker.shows(r#"distrack_attempts_total{outcome="worker_lost"} 1"#)).await;
    assert!(worker.shows(r#"distrack_worker_slots{state="used"} 0"#));
    assert!(fake.find(&attempt).is_none());
    worker.stop().await;
}

#[tokio::test]
async fn what_an_earlier_run_left_is_dead_before_the_next_one_registers() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start();
    let worker = start(settings(&dir, &[&fake])).await;
    worker.attached(&fake, 1).await;
    let environ = dir.path().join("environ");
    let line = format!("env >{0}.new; mv {0}.new {0}", environ.display());
    fake.result(&worker.run(&fake, &line).await).await;
    let settings = worker.settings.clone();
    worker.stop().await;
    // What a killed worker leaves, with an environment that a command was given.
    let environ = std::fs::read_to_string(environ).unwrap();
    let environ = environ.lines().filter_map(|line| line.split_once('='));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "setsid sleep 60 & wait"]).env_clear().envs(environ).stdin(Stdio::null());
    let mut left = command.spawn().unwrap();
    let daemon = until_some("the daemon", || child_of(left.id())).await;
    fake.state().registrations_hang = true;
    let worker = start(settings).await;
    until("registers", || fake.state().registrations.len() == 2).await;
    assert!(!runs(daemon), "the daemon lives");
    assert!(!runs(left.id()), "the command lives");
    left.wait().unwrap();
    fake.state().registrations_hang = false;
    worker.attached(&fake, 2).await;
    worker.stop().await;
}

async fn until_some<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    // Seen once is seen: a moment later what is there may be about to run another program.
    let mut found = None;
    until(what, || {
        found = look();
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// The first child of a process whose own program runs.
fn child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let child: u32 = children.split(' ').next()?.parse().ok()?;
    let line = std::fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
    line.starts_with("sleep").then_some(child)
}

/// Whether a process is there and no zombie.
fn runs(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).join("exe").read_link().is_ok()
}
