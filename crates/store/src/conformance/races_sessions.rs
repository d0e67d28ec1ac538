//! Races for a session: sweeps against each other, against reports and against registrations.

use std::collections::HashSet;
use std::sync::Arc;

use distrack_core::{InstanceId, Outcome, TaskState};

use super::fixtures::{
    Db, LONG, PATIENCE, SHORT, all_at_once, echo, eventually, finished, get, refs, report, submit_all, sweep,
};
use super::fleet::{Worker, claim, stranger};
use crate::{Receipt, Registered, Registration, StoreError, Swept, WorkerState};

/// Waits until the leases of these workers have run out, without sweeping.
async fn run_out(workers: &[&Worker]) {
    eventually("the leases run out", async || {
        for worker in workers {
            if worker.listed().await.expect("the session is listed").state != WorkerState::Lost {
                return None;
            }
        }
        Some(())
    })
    .await;
}

async fn sweep_all(store: &Db) -> Swept {
    let mut all = Swept::default();
    loop {
        let swept = sweep(store, 7).await;
        if swept == Swept::default() {
            return all;
        }
        all.sessions_lost.extend(swept.sessions_lost);
        all.attempts_lost.extend(swept.attempts_lost);
    }
}

pub async fn sweepers_at_once_lose_everything_once(store: Db) {
    let mut workers = Vec::new();
    let mut attempts = HashSet::new();
    for _ in 0..8 {
        let worker = Worker::join_for(&store, SHORT).await;
        submit_all(&store, vec![echo(); 5]).await;
        attempts.extend(worker.claim_all(5).await.iter().map(|claimed| claimed.attempt));
        workers.push(worker);
    }
    run_out(&workers.iter().collect::<Vec<_>>()).await;
    let sweepers = (0..4).map(|_| {
        let store = Arc::clone(&store);
        async move { sweep_all(&store).await }
    });
    let mut swept = all_at_once(sweepers).await;
    // A sweeper skips what another one has its hands on.
    swept.push(sweep_all(&store).await);
    let sessions: Vec<_> = swept.iter().flat_map(|swept| &swept.sessions_lost).map(|(id, _)| *id).collect();
    assert_eq!(sessions.len(), 8, "each session once");
    assert_eq!(
        HashSet::from_iter(sessions),
        workers.iter().map(|worker| worker.session).collect::<HashSet<_>>()
    );
    let lost: Vec<_> = swept.iter().flat_map(|swept| refs(&swept.attempts_lost)).collect();
    assert_eq!(lost.len(), 40, "each attempt once");
    assert_eq!(HashSet::from_iter(lost), attempts);
    for attempt in attempts {
        let task = get(&store, attempt.task).await;
        assert_eq!((task.state, task.losses), (TaskState::Pending, 1));
    }
}

pub async fn a_result_and_a_sweep_never_both_count(store: Db) {
    for _ in 0..3 {
        let worker = Worker::join_for(&store, SHORT).await;
        submit_all(&store, vec![echo(); 40]).await;
        let attempts: Vec<_> = worker.claim_all(40).await.iter().map(|claimed| claimed.attempt).collect();
        run_out(&[&worker]).await;
        let sweeping = Arc::clone(&store);
        let sweeper = tokio::spawn(async move { sweep_all(&sweeping).await });
        let steps = attempts.iter().map(|attempt| {
            let (store, attempt) = (Arc::clone(&store), *attempt);
            async move { (attempt, report(&store, finished(attempt, Outcome::success())).await) }
        });
        let receipts = all_at_once(steps).await;
        let mut lost = refs(&sweeper.await.expect("a sweeper does not panic").attempts_lost);
        lost.extend(refs(&sweep_all(&store).await.attempts_lost));
        for (attempt, receipt) in receipts {
            let task = get(&store, attempt.task).await;
            let expected = if lost.contains(&attempt) {
                (Receipt::Stale, TaskState::Pending, 1)
            } else {
                (Receipt::Recorded, TaskState::Completed, 0)
            };
            assert_eq!((receipt, task.state, task.losses), expected);
            store.cancel(attempt.task).await.expect("it is out of the next round's way");
        }
    }
}

pub async fn a_registration_and_a_sweep_leave_the_worker_a_live_session(store: Db) {
    for _ in 0..10 {
        let mut worker = Worker::join_for(&store, SHORT).await;
        let attempt = worker.run(echo()).await;
        run_out(&[&worker]).await;
        worker.registration.lost_after = LONG;
        let sweeping = Arc::clone(&store);
        let sweeper = tokio::spawn(async move { sweep_all(&sweeping).await });
        let registered = worker.come_back(&[attempt]).await;
        sweeper.await.expect("a sweeper does not panic");
        sweep_all(&store).await;
        let session = registered.session;
        let lost = session != worker.session;
        worker.session = session;
        assert_eq!(worker.renew(LONG).await.alive, [session], "the answer names a session that lives");
        let (receipt, listed) =
            if lost { (Receipt::Stale, vec![]) } else { (Receipt::Recorded, vec![attempt]) };
        assert_eq!(registered.kept, listed);
        assert_eq!(report(&store, finished(attempt, Outcome::success())).await, receipt);
        store.cancel(attempt.task).await.expect("it is out of the next round's way");
        worker.leave().await;
    }
}

pub async fn what_is_claimed_beside_a_registration_is_given_back_by_it(store: Db) {
    let worker = Arc::new(Worker::join(&store).await);
    for _ in 0..20 {
        submit_all(&store, vec![echo(); 4]).await;
        let request = worker.request(4);
        let (claiming, registering) = (Arc::clone(&store), Arc::clone(&worker));
        let claims = tokio::spawn(async move { claim(&claiming, request).await });
        let registered = tokio::spawn(async move { registering.come_back(&[]).await });
        let claimed = claims.await.expect("a claim does not panic");
        let registered = registered.await.expect("a registration does not panic");
        assert_eq!(registered.released.attempts, claimed.len() as u64, "nobody would ever run the rest");
        for claimed in worker.claim_all(4).await {
            report(&store, finished(claimed.attempt, Outcome::success())).await;
        }
    }
}

/// Registers as a worker does: a store that asks to try again is asked again.
async fn settled(store: &Db, registration: Registration) -> Result<Registered, StoreError> {
    let trying = async {
        loop {
            match store.register(registration.clone()).await {
                Err(error) if error.is_retryable() => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("a registration is settled in time")
}

pub async fn of_the_copies_of_a_registration_one_is_answered(store: Db) {
    for _ in 0..5 {
        let registration = stranger();
        let steps = (0..6).map(|_| {
            let (store, registration) = (Arc::clone(&store), registration.clone());
            async move { store.register(registration).await }
        });
        let answers = all_at_once(steps).await;
        let opened: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(opened.len(), 1, "a copy does not know what was taken since the first: {answers:?}");
        let worker = settled(&store, Registration { sequence: 2, ..registration }).await;
        let again = worker.expect("the same process registers anew");
        assert_eq!((again.session, again.attach), (opened[0].session, 2), "one process, one session");
    }
}

pub async fn of_two_hosts_with_one_worker_id_one_is_refused(store: Db) {
    for _ in 0..10 {
        let first = stranger();
        let second = Registration { instance: InstanceId::new(), host: "host-2".to_owned(), ..first.clone() };
        let steps = [first, second].map(|registration| {
            let store = Arc::clone(&store);
            async move { settled(&store, registration).await }
        });
        let answers = all_at_once(steps).await;
        let opened = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Conflict(_)))).count();
        assert_eq!((opened, refused), (1, 1), "{answers:?}");
    }
}
