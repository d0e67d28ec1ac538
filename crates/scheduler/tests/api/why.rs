//! Why a task stands as it does: `GET /v1/tasks/{id}/why`, through the real store.

use std::time::Duration;

use chrono::DateTime;
use distrack_core::{Cause, Outcome, Output, TaskId};
use distrack_store::{HeartbeatSeen, Registration, Store};
use serde_json::{Value, json};

use crate::support::fleet::{exit, stranger};
use crate::support::{Scheduler, Worker, until};

async fn why(scheduler: &Scheduler, id: TaskId) -> Value {
    let answer = scheduler.get(&format!("/v1/tasks/{id}/why")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let why = answer.json();
    assert_eq!(why["task_id"], id.to_string());
    assert!(why["at"].is_string() && !why["reasons"].as_array().unwrap().is_empty(), "{why}");
    why
}

async fn summary(scheduler: &Scheduler, id: TaskId) -> String {
    why(scheduler, id).await["summary"].as_str().unwrap().to_owned()
}

fn codes(why: &Value) -> Vec<&str> {
    why["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

/// A worker of one slot that serves `queues`.
async fn worker(
    scheduler: &Scheduler,
    name: &str,
    change: impl FnOnce(Registration) -> Registration,
) -> Worker {
    let registration = Registration { name: name.to_owned(), slots: 1, ..stranger() };
    Worker::join_as(scheduler.store.real(), change(registration)).await
}

#[tokio::test]
async fn a_waiting_task_is_told_what_the_fleet_lacks() {
    let scheduler = Scheduler::start().await;
    let body = json!({"command": "x", "queue": "etl", "requires": {"gpu": "true"}});
    let id = scheduler.submit(&body).await;
    assert_eq!(summary(&scheduler, id).await, "waiting: no worker is alive");

    let of_mail = |of| Registration { queues: Some(vec!["mail".parse().unwrap()]), ..of };
    worker(&scheduler, "w1", of_mail).await;
    let expected = "waiting: no live worker serves queue etl; 1 live worker serves other queues";
    assert_eq!(summary(&scheduler, id).await, expected);

    worker(&scheduler, "w2", |plain| plain).await;
    let told = why(&scheduler, id).await;
    assert_eq!(told["summary"], "waiting: no live worker has label gpu=true; 1 serves queue etl without");
    let reason = &told["reasons"][0];
    assert_eq!((&reason["code"], &reason["workers"]), (&json!("no_worker_with_labels"), &json!(1)));
    assert_eq!(reason["requires"], json!({"gpu": "true"}));
    assert_eq!(reason["change"], "start a worker with --labels=gpu=true");

    let with_gpu = |of| Registration { labels: [("gpu".to_owned(), "true".to_owned())].into(), ..of };
    let able = worker(&scheduler, "w3", with_gpu).await;
    let heartbeat = |session| HeartbeatSeen { session, ago: Duration::ZERO, busy: 0, draining: true };
    let coordinator = able.registration.coordinator;
    let renewed =
        scheduler.store.real().renew(coordinator, vec![heartbeat(able.session())], Duration::from_secs(60));
    renewed.await.unwrap();
    assert_eq!(summary(&scheduler, id).await, "waiting: the only worker that could run it, w3, is draining");
}

#[tokio::test]
async fn a_waiting_task_is_told_who_is_before_it_and_which_slots_are_busy() {
    let scheduler = Scheduler::start().await;
    let worker = worker(&scheduler, "w1", |plain| plain).await;
    let first = scheduler.submit(&json!({"command": "x"})).await;
    assert!(summary(&scheduler, first).await.ends_with("1 slot is free: it is about to be claimed"));
    worker.start(first).await;
    scheduler.submit(&json!({"command": "x", "priority": 5})).await;
    scheduler.submit(&json!({"command": "x", "priority": -5})).await;
    let expires_at = "2099-01-01T00:00:00Z";
    let id = scheduler.submit(&json!({"command": "x", "expires_at": expires_at})).await;
    let told = why(&scheduler, id).await;
    assert_eq!(codes(&told), ["slots_busy", "tasks_ahead", "expires"]);
    let expected = "waiting: the only slot of w1, the only worker that could run it, has been busy for ";
    assert!(told["summary"].as_str().unwrap().starts_with(expected), "{told}");
    let [busy, ahead, expiry] = [0, 1, 2].map(|at| &told["reasons"][at]);
    assert_eq!((&busy["slots"], &busy["workers"]), (&json!(1), &json!(1)));
    assert_eq!(ahead["text"], "1 task is before it in queue default");
    assert_eq!((&ahead["tasks"], &ahead["more"]), (&json!(1), &json!(false)));
    assert_eq!(expiry["at"], "2099-01-01T00:00:00.000Z");
    assert!(busy["seconds"].is_f64() && busy.get("tasks").is_none(), "{busy}");
}

#[tokio::test]
async fn a_task_that_is_not_due_is_told_when_it_is() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let later = scheduler.submit(&json!({"command": "x", "delay_seconds": 3600})).await;
    let told = why(&scheduler, later).await;
    assert_eq!(codes(&told), ["not_due"]);
    assert!(
        told["summary"].as_str().unwrap().starts_with("waiting: it is not due for 59 min, until "),
        "{told}"
    );
    assert_eq!(told["not_before"], told["reasons"][0]["at"]);

    // Without jitter a retry is due at once, so that its worker is lost instead.
    let id = scheduler.submit(&json!({"command": "x"})).await;
    worker.start(id).await;
    scheduler.store.real().deregister(worker.session()).await.unwrap();
    let told = why(&scheduler, id).await;
    assert_eq!(codes(&told), ["after_loss", "no_worker", "tried_before"]);
    assert!(
        told["summary"]
            .as_str()
            .unwrap()
            .starts_with("waiting: its worker w1 was lost; it is tried again in ")
    );
}

#[tokio::test]
async fn a_held_task_is_told_what_it_is_doing() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let id = scheduler.submit(&json!({"command": "x", "max_attempts": 2, "timeout": 60})).await;
    worker.hold(id).await;
    let told = why(&scheduler, id).await;
    assert_eq!((codes(&told), &told["state"]), (vec!["dispatched"], &json!("dispatched")));
    assert!(told["summary"].as_str().unwrap().contains(" ago, attempt 1 of 2; the worker has not said yet"));

    let id = scheduler.submit(&json!({"command": "x", "timeout": 60})).await;
    worker.start(id).await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    let told = why(&scheduler, id).await;
    assert_eq!(codes(&told), ["running", "cancel_requested", "times_out"]);
    let summary = told["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("running for ")
            && summary.contains(" on w1, attempt 1 of 1; a cancel was asked for ")
    );
    assert_eq!(told["reasons"][0]["worker"], "w1");
}

#[tokio::test]
async fn a_task_that_ended_is_told_in_one_sentence() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let ended = async |body: Value, outcome: Outcome| {
        let id = scheduler.submit(&body).await;
        worker.run(id, outcome).await;
        summary(&scheduler, id).await
    };
    let plain = || json!({"command": "x", "timeout": 10});
    let done = ended(plain(), Outcome::success()).await;
    assert!(done.starts_with("completed in "), "{done}");
    assert!(done.ends_with(" after its time") || punctual(&done) != done, "{done}");
    let failed = ended(plain(), exit(3)).await;
    assert!(failed.starts_with("failed with exit code 3 on attempt 1 of 1, after "), "{failed}");
    let killed = ended(plain(), Outcome::failure(Cause::Timeout, "timeout")).await;
    assert_eq!(punctual(&killed), "killed after its 10 s timeout on attempt 1 of 1 on w1");
    let signal = Outcome { signal: Some(11), ..Outcome::failure(Cause::Signal, "signal 11") };
    let killed = ended(plain(), signal).await;
    assert!(killed.starts_with("failed: signal 11 (SIGSEGV) ended it on attempt 1 of 1"), "{killed}");

    let waiting = scheduler.submit(&json!({"command": "x", "delay_seconds": 3600})).await;
    scheduler.post_empty(&format!("/v1/tasks/{waiting}/cancel")).await;
    assert_eq!(summary(&scheduler, waiting).await, "cancelled before it started, 59 min before its time");
    let held = scheduler.submit(&plain()).await;
    let attempt = worker.start(held).await;
    scheduler.post_empty(&format!("/v1/tasks/{held}/cancel")).await;
    worker.finish(attempt, Outcome::failure(Cause::Cancelled, "cancelled"), Output::default()).await;
    let cancelled = summary(&scheduler, held).await;
    assert!(cancelled.starts_with("cancelled while it ran on w1: stopped after "), "{cancelled}");
    let late = scheduler.submit(&json!({"command": "x", "expires_at": "2001-01-01T00:00:00Z"})).await;
    scheduler.store.real().sweep(10, None).await.unwrap();
    let expired = summary(&scheduler, late).await;
    assert_eq!(expired, "expired: its deadline 2001-01-01T00:00:00Z lay before its time");

    let once = scheduler.submit(&json!({"command": "x", "on_lost": "fail"})).await;
    worker.start(once).await;
    scheduler.store.real().deregister(worker.session()).await.unwrap();
    let lost = summary(&scheduler, once).await;
    let expected = "failed: its worker w1 was lost with it, and on_lost=fail forbids a second run";
    assert_eq!(punctual(&lost), expected);
}

/// What is said, without that a slow machine was late to start it.
fn punctual(summary: &str) -> &str {
    summary.split("; it started ").next().unwrap_or(summary)
}

#[tokio::test]
async fn a_late_start_is_told_with_what_it_waited_for() {
    let scheduler = Scheduler::start().await;
    let early = scheduler.worker().await;
    let [first, second] = [scheduler.submit(&json!({"command": "x"})).await, {
        scheduler.submit(&json!({"command": "x", "queue": "later"})).await
    }];
    until("both have waited for more than a second", || async {
        let told = why(&scheduler, second).await;
        let due = scheduler.store.task(second).await.due_at;
        let now = DateTime::parse_from_rfc3339(told["at"].as_str().unwrap()).unwrap();
        now.to_utc() - due > chrono::TimeDelta::milliseconds(1100)
    })
    .await;
    let of = |name: &str, queue: &str| Registration {
        name: name.to_owned(),
        queues: Some(vec![queue.parse().unwrap()]),
        ..stranger()
    };
    Worker::join_as(scheduler.store.real(), of("w2", "later")).await.run(second, Outcome::success()).await;
    let told = why(&scheduler, second).await;
    // On a slow machine more may have held it up after that.
    assert_eq!(codes(&told)[..3], ["completed", "started_late", "waited_for_worker"]);
    assert!(told["summary"].as_str().unwrap().contains("it waited for a worker: w2 came "), "{told}");

    early.run(first, Outcome::success()).await;
    let told = why(&scheduler, first).await;
    assert_eq!(codes(&told)[..3], ["completed", "started_late", "waited_for_slot"]);
    assert!(told["summary"].as_str().unwrap().contains(" s late: it waited "), "{told}");
}

#[tokio::test]
async fn an_unknown_or_malformed_task_has_no_reasons() {
    let scheduler = Scheduler::start().await;
    let id = TaskId::new();
    for what in ["why", "trace"] {
        scheduler.get(&format!("/v1/tasks/{id}/{what}")).await.problem(404, "task_not_found");
        scheduler.get(&format!("/v1/tasks/nonsense/{what}")).await.problem(400, "bad_id");
        let known = scheduler.submit(&json!({"command": "x"})).await;
        let fields =
            scheduler.get(&format!("/v1/tasks/{known}/{what}?x=1")).await.problem(422, "invalid_field");
        assert_eq!(fields, ["x"]);
        scheduler.store.set_down(true);
        scheduler.get(&format!("/v1/tasks/{known}/{what}")).await.problem(503, "database_unavailable");
        scheduler.store.set_down(false);
    }
}
