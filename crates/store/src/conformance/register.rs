//! Registration: whose session it is, and which attempts are whose after it.

use distrack_core::{AttemptRef, CoordinatorId, InstanceId, OnLost, Outcome, TaskDraft, TaskId, TaskState};

use super::fixtures::{Db, LONG, SHORT, echo, eventually, finished, get, report, state, submit, sweep};
use super::fleet::{Worker, claim, stranger};
use crate::{Receipt, Registered, Registration, StoreError};

pub async fn a_first_registration_opens_a_session(store: Db) {
    let first = store.register(stranger()).await.expect("a worker registers");
    assert_eq!(first, Registered::new(first.session, first.attach));
    let second = store.register(stranger()).await.expect("another worker registers");
    assert_ne!(second.session, first.session);
}

pub async fn the_same_process_continues_its_session(store: Db) {
    let registration = stranger();
    let first = store.register(registration.clone()).await.expect("a worker registers");
    for n in 1..=3_i64 {
        let next = Registration { sequence: n.unsigned_abs() + 1, ..registration.clone() };
        let again = store.register(next).await.expect("a worker registers again");
        assert_eq!(
            again,
            Registered::new(first.session, first.attach + n),
            "one more attachment of the same session"
        );
    }
}

pub async fn what_a_worker_says_of_itself_is_as_fresh_as_its_last_registration(store: Db) {
    let mut worker = Worker::join(&store).await;
    worker.registration.address = "elsewhere.example:9000".to_owned();
    worker.registration.slots = 9;
    worker.registration.queues = Some(vec!["mail".parse().expect("a queue's name")]);
    worker.come_back(&[]).await;
    let listed = worker.listed().await.expect("the session is listed");
    assert_eq!((listed.address, listed.slots), (worker.registration.address.clone(), 9));
    assert_eq!(listed.queues, worker.registration.queues);
}

pub async fn a_process_keeps_what_it_holds_and_gives_back_what_it_never_got(store: Db) {
    let worker = Worker::join(&store).await;
    let (kept, kept_running) = (worker.hold(echo()).await, worker.run(echo()).await);
    let (never_got, vanished) = (worker.hold(echo()).await, worker.run(echo()).await);
    let registered = worker.come_back(&[kept_running, kept]).await;
    assert_eq!(registered.session, worker.session);
    let mut kept_by_store = registered.kept.clone();
    kept_by_store.sort();
    assert_eq!(kept_by_store, [kept, kept_running]);
    assert_eq!((registered.released.attempts, registered.lost.len()), (1, 1));
    assert_eq!((registered.kill, registered.cancel), (vec![], vec![]));
    let released = get(&store, never_got.task).await;
    assert_eq!((released.state, released.epoch, released.attempt), (TaskState::Pending, 1, 0));
    assert_eq!((released.losses, released.session), (0, None));
    let lost = get(&store, vanished.task).await;
    assert_eq!((lost.state, lost.attempt, lost.losses), (TaskState::Pending, 1, 1));
    assert_eq!(state(&store, kept.task).await, TaskState::Dispatched);
    assert_eq!(state(&store, kept_running.task).await, TaskState::Running);
    for attempt in [kept, kept_running] {
        assert_eq!(report(&store, finished(attempt, Outcome::success())).await, Receipt::Recorded);
    }
}

pub async fn a_restarted_worker_keeps_its_results_and_loses_the_rest(store: Db) {
    let mut worker = Worker::join(&store).await;
    let once = || TaskDraft { on_lost: Some(OnLost::Fail), ..echo() };
    let (spooled, unsaid) = (worker.run(echo()).await, worker.hold(echo()).await);
    let (running, dispatched) = (worker.run(once()).await, worker.hold(once()).await);
    let before = worker.session;
    let registered = worker.restart(&[spooled, unsaid]).await;
    assert_ne!(registered.session, before, "another process, another session");
    let mut kept = registered.kept.clone();
    kept.sort();
    assert_eq!((kept, registered.kill), (vec![spooled, unsaid], vec![]));
    assert_eq!(
        (registered.released.attempts, registered.lost.len()),
        (0, 2),
        "the old process may have started any of them"
    );
    for attempt in [running, dispatched] {
        assert_eq!(state(&store, attempt.task).await, TaskState::Failed);
    }
    for attempt in [spooled, unsaid] {
        assert_eq!(get(&store, attempt.task).await.session, Some(worker.session));
        assert_eq!(report(&store, finished(attempt, Outcome::success())).await, Receipt::Recorded);
        assert_eq!(state(&store, attempt.task).await, TaskState::Completed);
    }
    let workers = store.workers().await.expect("workers are listed");
    let sessions: Vec<_> = workers.iter().map(|listed| listed.session).collect();
    assert_eq!(sessions, [worker.session], "the old session has ended");
}

pub async fn one_worker_id_on_two_hosts_is_a_conflict_while_the_first_lives(store: Db) {
    let first = Worker::join(&store).await;
    let held = first.run(echo()).await;
    let second = Registration {
        instance: InstanceId::new(),
        host: "host-2".to_owned(),
        coordinator: CoordinatorId::new(),
        ..first.registration.clone()
    };
    for _ in 0..2 {
        let refused = store.register(second.clone()).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
    assert_eq!(first.renew(LONG).await.alive, [first.session], "the first is not disturbed");
    assert_eq!(report(&store, finished(held, Outcome::success())).await, Receipt::Recorded);
}

pub async fn a_worker_may_move_to_another_host_once_its_lease_ran_out(store: Db) {
    let first = Worker::join_for(&store, SHORT).await;
    let held = first.run(echo()).await;
    let second = Registration {
        instance: InstanceId::new(),
        host: "host-2".to_owned(),
        lost_after: LONG,
        ..first.registration.clone()
    };
    let registered = eventually("the lease runs out", async || match store.register(second.clone()).await {
        Ok(registered) => Some(registered),
        Err(StoreError::Conflict(_)) => None,
        Err(error) => panic!("{error}"),
    })
    .await;
    assert_ne!(registered.session, first.session);
    assert!(first.renew(LONG).await.alive.is_empty(), "the first session has ended");
    eventually("what the first held is lost", async || {
        sweep(&store, 10).await;
        (state(&store, held.task).await == TaskState::Pending).then_some(())
    })
    .await;
    assert_eq!(get(&store, held.task).await.losses, 1);
}

pub async fn what_is_not_this_workers_is_to_be_killed(store: Db) {
    let (worker, other) = (Worker::join(&store).await, Worker::join(&store).await);
    let (own, foreign) = (worker.run(echo()).await, other.run(echo()).await);
    let unknown = AttemptRef { task: TaskId::new(), epoch: 1 };
    let never = AttemptRef { epoch: 9, ..own };
    let superseded = worker.hold(echo()).await;
    store.release(vec![superseded]).await.expect("it is given back");
    let current = worker.claim_one().await.attempt;
    let registered = worker.come_back(&[foreign, own, unknown, superseded, never, current]).await;
    let mut kill = registered.kill.clone();
    kill.sort();
    let mut expected = vec![foreign, unknown, superseded, never];
    expected.sort();
    assert_eq!(kill, expected);
    assert_eq!((registered.kept.len(), registered.released.attempts, registered.lost.len()), (2, 0, 0));
    assert_eq!(state(&store, foreign.task).await, TaskState::Running, "the other worker is not disturbed");
    assert_eq!(report(&store, finished(foreign, Outcome::success())).await, Receipt::Recorded);
}

pub async fn a_worker_moves_to_another_coordinator_with_its_attempts(store: Db) {
    let mut worker = Worker::join(&store).await;
    let attempt = worker.run(echo()).await;
    let old = (worker.registration.coordinator, worker.request(1));
    worker.registration.coordinator = CoordinatorId::new();
    let registered = worker.come_back(&[attempt]).await;
    assert_eq!((registered.session, &registered.kept[..]), (worker.session, &[attempt][..]));
    let renewed = store.renew(old.0, vec![worker.heartbeat()], LONG).await.expect("leases are renewed");
    assert!(renewed.alive.is_empty(), "the old coordinator is told that the session moved");
    submit(&store, echo()).await;
    assert!(claim(&store, old.1).await.is_empty());
    assert_eq!(worker.renew(LONG).await.alive, [worker.session]);
    assert_eq!(worker.claim(1).await.len(), 1);
    assert_eq!(report(&store, finished(attempt, Outcome::success())).await, Receipt::Recorded);
}

pub async fn a_lost_worker_that_comes_back_begins_anew(store: Db) {
    let worker = Worker::join_for(&store, SHORT).await;
    let held = worker.run(echo()).await;
    eventually("the session is lost", async || {
        (!sweep(&store, 10).await.sessions_lost.is_empty()).then_some(())
    })
    .await;
    let registered = worker.come_back(&[held]).await;
    assert_ne!(registered.session, worker.session, "an ended session stays ended");
    assert_eq!((registered.kept, registered.kill), (vec![], vec![held]));
    assert_eq!(get(&store, held.task).await.losses, 1);
}

pub async fn a_cancelled_attempt_that_its_worker_does_not_hold_is_cancelled(store: Db) {
    let worker = Worker::join(&store).await;
    let (dispatched, running) = (worker.hold(echo()).await, worker.run(echo()).await);
    for attempt in [dispatched, running] {
        store.cancel(attempt.task).await.expect("it is marked");
    }
    worker.come_back(&[]).await;
    for attempt in [dispatched, running] {
        assert_eq!(state(&store, attempt.task).await, TaskState::Cancelled);
    }
}

pub async fn an_overtaken_registration_changes_nothing(store: Db) {
    let mut worker = Worker::join(&store).await;
    let overtaken = Registration { sequence: 1, ..worker.registration.clone() };
    worker.registration.coordinator = CoordinatorId::new();
    worker.come_back(&[]).await;
    let held = worker.run(echo()).await;
    let refused = store.register(overtaken).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(state(&store, held.task).await, TaskState::Running, "it did not know of this one");
    assert_eq!(worker.renew(LONG).await.alive, [worker.session], "the later coordinator keeps the session");

    let before = worker.registration.clone();
    worker.restart(&[held]).await;
    let refused = store.register(Registration { sequence: 99, ..before }).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "an older process cannot come back: {refused:?}"
    );
    assert_eq!(worker.renew(LONG).await.alive, [worker.session]);
}

pub async fn a_copy_of_a_registration_gives_nothing_back(store: Db) {
    let worker = Worker::join(&store).await;
    submit(&store, echo()).await;
    let taken = worker.claim(1).await.remove(0).attempt;
    let refused = store.register(worker.registration.clone()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let attempt = report(&store, finished(taken, Outcome::success())).await;
    assert_eq!(attempt, Receipt::Recorded, "the worker has it, and the copy did not know of it");
}
