//! Leases: renewed by heartbeats, lost without them, and swept once.

use std::time::Duration;

use distrack_core::{OnLost, SessionId, TaskDraft, TaskState};

use super::fixtures::{Db, LONG, SHORT, echo, eventually, get, refs, state, sweep};
use super::fleet::{Worker, stranger};
use crate::{HeartbeatSeen, Registration, Retention, Swept};

/// Sweeps until `count` sessions were lost; tells which, and which attempts.
async fn lose(store: &Db, count: usize) -> Swept {
    let mut all = Swept::default();
    eventually("the sessions are lost", async || {
        let swept = sweep(store, 100).await;
        all.sessions_lost.extend(swept.sessions_lost);
        all.attempts_lost.extend(swept.attempts_lost);
        (all.sessions_lost.len() >= count).then_some(())
    })
    .await;
    all
}

pub async fn only_live_sessions_of_the_coordinator_are_renewed(store: Db) {
    let (first, foreign) = (Worker::join(&store).await, Worker::join(&store).await);
    let coordinator = first.registration.coordinator;
    let second = Worker::join_as(&store, Registration { coordinator, ..stranger() }).await;
    let left = Worker::join_as(&store, Registration { coordinator, ..stranger() }).await;
    left.leave().await;
    let mut heartbeats: Vec<_> = [&first, &foreign, &second, &left].map(Worker::heartbeat).into();
    heartbeats.push(HeartbeatSeen { session: SessionId::new(), ..first.heartbeat() });
    let renewed = store.renew(coordinator, heartbeats, LONG).await.expect("leases are renewed");
    let mut alive = renewed.alive;
    alive.sort();
    let mut expected = [first.session, second.session];
    expected.sort();
    assert_eq!(alive, expected);
}

pub async fn a_session_that_is_not_renewed_is_lost_with_what_it_holds(store: Db) {
    let worker = Worker::join_for(&store, SHORT).await;
    let other = Worker::join(&store).await;
    let (dispatched, running) = (worker.hold(echo()).await, worker.run(echo()).await);
    let kept = other.run(echo()).await;
    let swept = lose(&store, 1).await;
    assert_eq!(swept.sessions_lost, [(worker.session, worker.registration.name.clone())]);
    let mut lost = refs(&swept.attempts_lost);
    lost.extend(refs(&sweep(&store, 100).await.attempts_lost));
    lost.sort();
    assert_eq!(lost, [dispatched, running]);
    for attempt in [dispatched, running] {
        let task = get(&store, attempt.task).await;
        assert_eq!((task.state, task.losses, task.session), (TaskState::Pending, 1, None));
    }
    assert_eq!(state(&store, kept.task).await, TaskState::Running);
    assert_eq!(sweep(&store, 100).await, Swept::default(), "nothing is lost twice");
    assert!(worker.renew(LONG).await.alive.is_empty(), "a lost session stays lost");
    let retried = other.claim_all(2).await;
    assert!(retried.iter().all(|claimed| claimed.number == 2));
}

pub async fn a_session_is_not_lost_before_its_lease_runs_out(store: Db) {
    let worker = Worker::join_for(&store, SHORT).await;
    let listed = worker.listed().await.expect("the session is listed");
    assert!(listed.lease_expires_at >= listed.registered_at + SHORT);
    let swept = eventually("the session is lost", async || {
        let last = store.sweep(0, None).await.expect("a sweep ends").at;
        let swept = store.sweep(10, Some(last)).await.expect("a sweep ends");
        (!swept.sessions_lost.is_empty()).then_some(swept)
    })
    .await;
    assert!(swept.at >= listed.lease_expires_at);
}

pub async fn nobody_is_lost_after_a_pause_of_the_sweeps(store: Db) {
    let worker = Worker::join_for(&store, SHORT).await;
    let held = worker.run(echo()).await;
    let before = eventually("the lease runs out", async || {
        let at = store.sweep(0, None).await.expect("a sweep ends").at;
        (worker.listed().await?.lease_expires_at < at).then_some(at)
    })
    .await;
    for last in [None, Some(before - Duration::from_secs(6))] {
        let swept = store.sweep(10, last).await.expect("a sweep ends");
        assert!(swept.sessions_lost.is_empty() && swept.attempts_lost.is_empty(), "{swept:?}");
    }
    assert_eq!(worker.renew(LONG).await.alive, [worker.session], "it lives, and could say so in time");
    assert_eq!(state(&store, held.task).await, TaskState::Running);
}

pub async fn a_renewal_extends_the_lease(store: Db) {
    let renewed = Worker::join_for(&store, SHORT).await;
    let before = renewed.listed().await.expect("the session is listed");
    assert_eq!(renewed.renew(LONG).await.alive, [renewed.session]);
    let after = renewed.listed().await.expect("the session is listed");
    assert!(after.last_heartbeat_at >= before.last_heartbeat_at);
    assert!(after.lease_expires_at >= after.last_heartbeat_at + LONG - Duration::from_secs(1));
    // Registered later with the same lease: when this one is lost, the other would have been as well.
    let forgotten = Worker::join_for(&store, SHORT).await;
    let swept = lose(&store, 1).await;
    assert_eq!(swept.sessions_lost[0].0, forgotten.session);
    assert_eq!(renewed.renew(LONG).await.alive, [renewed.session]);
}

pub async fn a_registration_renews_the_lease(store: Db) {
    let mut worker = Worker::join_for(&store, SHORT).await;
    worker.registration.lost_after = LONG;
    assert_eq!(worker.come_back(&[]).await.session, worker.session);
    let forgotten = Worker::join_for(&store, SHORT).await;
    assert_eq!(lose(&store, 1).await.sessions_lost[0].0, forgotten.session);
}

pub async fn an_old_heartbeat_does_not_extend_the_lease(store: Db) {
    let worker = Worker::join_for(&store, SHORT).await;
    for ago in [Duration::from_secs(3600), Duration::MAX] {
        let before = worker.listed().await.expect("the session is listed");
        let old = HeartbeatSeen { ago, ..worker.heartbeat() };
        let coordinator = worker.registration.coordinator;
        store.renew(coordinator, vec![old], Duration::from_secs(30)).await.expect("leases are renewed");
        let after = worker.listed().await.expect("the session is listed");
        assert!(after.lease_expires_at <= before.lease_expires_at, "heard {ago:?} ago");
        assert!(after.last_heartbeat_at >= before.last_heartbeat_at, "a heartbeat is not taken back");
    }
    assert_eq!(lose(&store, 1).await.sessions_lost[0].0, worker.session);
}

pub async fn a_session_that_leaves_gives_back_what_it_never_took_and_loses_what_it_ran(store: Db) {
    let worker = Worker::join(&store).await;
    let once = || TaskDraft { on_lost: Some(OnLost::Fail), ..echo() };
    let (never_took, ran) = (worker.hold(once()).await, worker.run(echo()).await);
    let cancelled = worker.hold(echo()).await;
    store.cancel(cancelled.task).await.expect("it is marked");
    worker.leave().await;
    let task = get(&store, never_took.task).await;
    assert_eq!((task.state, task.losses, task.attempt), (TaskState::Pending, 0, 0));
    assert_eq!(get(&store, ran.task).await.losses, 1);
    assert_eq!(state(&store, cancelled.task).await, TaskState::Cancelled);
    assert!(worker.renew(LONG).await.alive.is_empty());
    assert_eq!(worker.listed().await, None, "it left, it was not lost");
    assert_eq!(sweep(&store, 100).await, Swept::default());
    store.deregister(SessionId::new()).await.expect("a session that never was has nothing to lose");
}

pub async fn a_sweep_takes_no_more_than_its_limit_and_strands_nothing(store: Db) {
    let worker = Worker::join_for(&store, SHORT).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(worker.run(echo()).await);
    }
    let mut lost = Vec::new();
    eventually("all attempts are lost", async || {
        let swept = sweep(&store, 2).await;
        assert!(swept.attempts_lost.len() <= 2, "{swept:?}");
        lost.extend(refs(&swept.attempts_lost));
        // An ended session whose attempts are not all lost yet must not be forgotten.
        let none = Retention { tasks: LONG, sessions: Duration::ZERO, audit: LONG };
        store.prune(none, 100).await.expect("ended sessions are removed");
        (lost.len() >= 7).then_some(())
    })
    .await;
    lost.sort();
    assert_eq!(lost, held);
}
