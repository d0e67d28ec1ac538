//! What is known of why a task stands as it does.

use std::collections::BTreeMap;

use distrack_core::why::{Facts, MOST_AHEAD};
use distrack_core::{Backoff, Outcome, TaskDraft, TaskId};

use super::fixtures::{
    Db, LONG, NOW, SHORT, echo, eventually, exit, finished, get, later, report, submit, submit_all, sweep,
};
use super::fixtures::{started, tried};
use super::fleet::{Worker, stranger};
use crate::{HeartbeatSeen, Registration};

const AT_ONCE: Backoff = Backoff { initial: NOW, max: NOW };

async fn explain(store: &Db, id: TaskId) -> Facts {
    store.explain(id).await.expect("a task is explained").expect("the task exists")
}

async fn ahead(store: &Db, id: TaskId) -> u32 {
    explain(store, id).await.ahead
}

fn of_priority(priority: i32) -> TaskDraft {
    TaskDraft { priority: Some(priority), ..echo() }
}

pub async fn a_task_is_explained_as_it_reads_with_all_its_attempts(store: Db) {
    assert_eq!(store.explain(TaskId::new()).await.expect("it is answered"), None);
    let worker = Worker::join(&store).await;
    let id = submit(&store, tried(3, AT_ONCE)).await;
    for _ in 0..2 {
        report(&store, finished(worker.claim_one().await.attempt, exit(1))).await;
    }
    let held = worker.claim_one().await.attempt;
    report(&store, started(held)).await;
    for end in [false, true] {
        if end {
            report(&store, finished(held, Outcome::success())).await;
        }
        let facts = explain(&store, id).await;
        assert_eq!(facts.task, get(&store, id).await);
        assert_eq!(Some(&facts.attempts), store.attempts(id).await.expect("attempts are listed").as_ref());
        assert_eq!(facts.attempts.len(), 3);
        assert!(facts.now >= facts.task.started_at.expect("it started"), "the instant is the store's");
    }
}

pub async fn those_that_a_claim_takes_first_are_before_a_task(store: Db) {
    let elsewhere = || TaskDraft { queue: Some("elsewhere".to_owned()), ..of_priority(100) };
    let higher_later = TaskDraft { delay_seconds: Some(3600.0), ..of_priority(9) };
    submit_all(&store, [elsewhere(), higher_later, of_priority(-1)]).await;
    let first = submit(&store, of_priority(3)).await;
    let second = submit(&store, of_priority(3)).await;
    let low = submit(&store, of_priority(-1)).await;
    assert_eq!((ahead(&store, first).await, ahead(&store, second).await), (0, 1));
    assert_eq!(ahead(&store, low).await, 3, "two of a higher priority and one that was due before");
    submit_all(&store, [of_priority(3), of_priority(50)]).await;
    assert_eq!((ahead(&store, second).await, ahead(&store, low).await), (2, 5));

    // The order is that of claims.
    let default = Some(vec!["default".parse().expect("a queue's name")]);
    let worker = Worker::join_as(&store, Registration { queues: default, ..stranger() }).await;
    for expected in [4, 3, 2, 1, 0] {
        worker.claim_one().await;
        assert_eq!(ahead(&store, low).await, expected);
    }
}

pub async fn nobody_is_before_a_task_that_is_not_due(store: Db) {
    submit_all(&store, [echo(), echo()]).await;
    let id = submit(&store, later()).await;
    assert_eq!(ahead(&store, id).await, 0);
    store.cancel(id).await.expect("it is cancelled");
    assert_eq!(ahead(&store, id).await, 0);
}

pub async fn those_before_a_task_are_counted_up_to_a_bound(store: Db) {
    let many = (0..MOST_AHEAD + 5).map(|n| of_priority(i32::from(n % 2 == 0)));
    submit_all(&store, many).await;
    let id = submit(&store, echo()).await;
    assert_eq!(ahead(&store, id).await, MOST_AHEAD + 1);
}

pub async fn a_waiting_task_is_explained_by_every_open_session_and_those_lost_lately(store: Db) {
    let registration = Registration {
        name: "w1".to_owned(),
        queues: Some(vec!["default".parse().expect("a queue's name")]),
        labels: BTreeMap::from([("gpu".to_owned(), "true".to_owned())]),
        slots: 3,
        ..stranger()
    };
    let worker = Worker::join_as(&store, registration.clone()).await;
    let first = worker.run(echo()).await;
    worker.run(echo()).await;
    let last = worker.hold(echo()).await;
    let heartbeat = HeartbeatSeen { draining: true, ..worker.heartbeat() };
    let renewed = store.renew(registration.coordinator, vec![heartbeat], LONG).await;
    renewed.expect("leases are renewed");
    let id = submit(&store, echo()).await;
    let facts = explain(&store, id).await;
    let [session] = facts.sessions.as_slice() else { panic!("{facts:?}") };
    assert_eq!((session.session, session.name.as_str()), (worker.session, "w1"));
    assert_eq!((session.slots, session.held, session.draining, session.ended), (3, 3, true, false));
    assert_eq!((&session.queues, &session.labels), (&registration.queues, &registration.labels));
    assert_eq!(session.oldest_started_at, get(&store, first.task).await.started_at);
    assert_eq!(session.newest_picked_at, get(&store, last.task).await.picked_at);
    let listed = worker.listed().await.expect("the session is listed");
    assert_eq!(
        (session.registered_at, session.last_heartbeat_at, session.lease_expires_at),
        (listed.registered_at, listed.last_heartbeat_at, listed.lease_expires_at)
    );

    worker.leave().await;
    let silent = Worker::join_for(&store, SHORT).await;
    let told = async || {
        let facts = explain(&store, id).await;
        facts.sessions.iter().map(|session| (session.session, session.ended)).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [(silent.session, false)], "who left is gone");
    eventually("the silent session is lost", async || {
        (!sweep(&store, 10).await.sessions_lost.is_empty()).then_some(())
    })
    .await;
    assert_eq!(told().await, [(silent.session, true)]);
}

pub async fn a_held_task_is_explained_by_the_session_that_holds_it(store: Db) {
    let (worker, _other) = (Worker::join(&store).await, Worker::join(&store).await);
    let attempt = worker.run(echo()).await;
    let facts = explain(&store, attempt.task).await;
    assert_eq!(facts.sessions.iter().map(|session| session.session).collect::<Vec<_>>(), [worker.session]);
    assert_eq!(facts.task.session, Some(worker.session));
}

pub async fn a_task_that_has_ended_is_explained_by_whoever_has_its_workers_name(store: Db) {
    let (worker, _other) = (Worker::join(&store).await, Worker::join(&store).await);
    let attempt = worker.run(echo()).await;
    report(&store, finished(attempt, Outcome::success())).await;
    let facts = explain(&store, attempt.task).await;
    assert_eq!(facts.sessions.iter().map(|session| session.session).collect::<Vec<_>>(), [worker.session]);
    worker.leave().await;
    assert_eq!(explain(&store, attempt.task).await.sessions, []);
    let never = submit(&store, later()).await;
    store.cancel(never).await.expect("it is cancelled");
    assert_eq!(explain(&store, never).await.sessions, []);
}
