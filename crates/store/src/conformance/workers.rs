//! What the fleet looks like from the store.

use std::collections::BTreeMap;

use distrack_core::Outcome;

use super::fixtures::{Db, LONG, SHORT, echo, eventually, finished, report, sweep};
use super::fleet::{Worker, stranger};
use crate::{HeartbeatSeen, Registration, WorkerState};

pub async fn a_worker_is_listed_as_it_registered(store: Db) {
    assert!(store.workers().await.expect("workers are listed").is_empty());
    let registration = Registration {
        name: "grüße 'n' \"more\"".to_owned(),
        queues: Some(vec!["a".parse().expect("a queue's name"), "b.c".parse().expect("a queue's name")]),
        labels: BTreeMap::from([("gpu".to_owned(), "true".to_owned()), ("a.b".to_owned(), String::new())]),
        slots: 17,
        isolation: Some("cgroup, run_as nobody".to_owned()),
        ..stranger()
    };
    let worker = Worker::join_as(&store, registration.clone()).await;
    let listed = worker.listed().await.expect("the session is listed");
    assert_eq!(
        (listed.worker, listed.name, listed.host),
        (registration.worker, registration.name, registration.host)
    );
    assert_eq!((listed.address, listed.version), (registration.address, registration.version));
    assert_eq!((listed.slots, listed.held, listed.same_address), (17, 0, 0));
    assert_eq!((listed.queues, listed.labels), (registration.queues, registration.labels));
    assert_eq!(listed.isolation, registration.isolation);
    assert_eq!((listed.state, listed.draining), (WorkerState::Alive, false));
    assert!(listed.registered_at <= listed.last_heartbeat_at);
    let lease = (listed.lease_expires_at - listed.registered_at).to_std().expect("a lease lies ahead");
    assert!(lease.abs_diff(LONG).as_millis() <= 1, "{lease:?}");
    // An older build of the same process says less, and says it at its next registration.
    let again = Registration { sequence: 2, isolation: None, ..worker.registration.clone() };
    store.register(again).await.expect("a registration again");
    assert_eq!(worker.listed().await.expect("the session is listed").isolation, None);
    let plain = Worker::join(&store).await.listed().await.expect("the session is listed");
    assert_eq!((plain.queues, plain.labels), (None, BTreeMap::new()));
}

pub async fn what_a_worker_holds_is_counted(store: Db) {
    let (busy, idle) = (Worker::join(&store).await, Worker::join(&store).await);
    let held = async |worker: &Worker| worker.listed().await.expect("the session is listed").held;
    let first = busy.hold(echo()).await;
    busy.run(echo()).await;
    assert_eq!((held(&busy).await, held(&idle).await), (2, 0));
    report(&store, finished(first, Outcome::success())).await;
    assert_eq!(held(&busy).await, 1);
}

pub async fn a_draining_worker_says_so(store: Db) {
    let worker = Worker::join(&store).await;
    for draining in [true, false, true] {
        let heartbeat = HeartbeatSeen { draining, busy: 1, ..worker.heartbeat() };
        store
            .renew(worker.registration.coordinator, vec![heartbeat], LONG)
            .await
            .expect("leases are renewed");
        assert_eq!(worker.listed().await.expect("the session is listed").draining, draining);
    }
}

pub async fn workers_that_share_an_address_are_noticed(store: Db) {
    let shared = || Registration { address: "shared.example:8000".to_owned(), ..stranger() };
    let first = Worker::join_as(&store, shared()).await;
    let alone = Worker::join(&store).await;
    let count = async |worker: &Worker| worker.listed().await.expect("the session is listed").same_address;
    assert_eq!((count(&first).await, count(&alone).await), (0, 0));
    let (second, third) = (Worker::join_as(&store, shared()).await, Worker::join_as(&store, shared()).await);
    for worker in [&first, &second, &third] {
        assert_eq!(count(worker).await, 2);
    }
    assert_eq!(count(&alone).await, 0);
    third.leave().await;
    assert_eq!((count(&first).await, count(&second).await), (1, 1), "only live sessions count");
}

pub async fn a_worker_whose_lease_ran_out_is_lost_before_and_after_the_sweep(store: Db) {
    let (worker, other) = (Worker::join_for(&store, SHORT).await, Worker::join(&store).await);
    let state = async |worker: &Worker| worker.listed().await.map(|listed| listed.state);
    eventually("the lease runs out", async || {
        (state(&worker).await == Some(WorkerState::Lost)).then_some(())
    })
    .await;
    let swept = sweep(&store, 10).await;
    assert_eq!(swept.sessions_lost.len(), 1);
    assert_eq!(state(&worker).await, Some(WorkerState::Lost));
    assert_eq!(state(&other).await, Some(WorkerState::Alive));
}
