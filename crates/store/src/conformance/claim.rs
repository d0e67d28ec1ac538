//! Claiming: which tasks, in which order, for which slot.

use std::collections::{BTreeMap, HashMap};

use distrack_core::{QueueName, TaskDraft, TaskState};

use super::fixtures::{Db, SHORT, echo, eventually, get, submit, submit_all, sweep};
use super::fleet::{Worker, claim, stranger};
use crate::{ClaimRequest, Registration};

fn queue(name: &str) -> QueueName {
    name.parse().expect("a queue's name")
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn ranked(queue: &str, priority: i32) -> TaskDraft {
    TaskDraft { queue: Some(queue.to_owned()), priority: Some(priority), ..echo() }
}

pub async fn a_claim_begins_an_attempt(store: Db) {
    let worker = Worker::join(&store).await;
    let id = submit(&store, TaskDraft { queue: Some("mail".to_owned()), ..echo() }).await;
    let before = get(&store, id).await;
    let claimed = worker.claim_one().await;
    let task = get(&store, id).await;
    assert_eq!((claimed.attempt.task, claimed.attempt.epoch, claimed.number), (id, 1, 1));
    assert_eq!(
        (claimed.session, &claimed.queue, &claimed.spec),
        (worker.session, &before.queue, &before.spec)
    );
    assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Dispatched, 1, 1));
    assert_eq!((task.failures, task.losses), (0, 0));
    assert_eq!(task.session, Some(worker.session));
    assert_eq!(task.worker, Some(worker.registration.name.clone()));
    assert!(task.picked_at.expect("it was picked") >= task.due_at);
    assert_eq!((task.started_at, task.finished_at, &task.outcome), (None, None, &None));
    assert_eq!((task.scheduled_at, task.due_at), (before.scheduled_at, before.due_at));
    assert!(worker.claim(1).await.is_empty(), "a held task is not claimed again");
}

pub async fn the_highest_priority_goes_first_whatever_its_queue(store: Db) {
    let worker = Worker::join(&store).await;
    let drafts = [ranked("a", 0), ranked("b", 5), ranked("a", -100), ranked("a", 7), ranked("c", 100)];
    let ids = submit_all(&store, drafts).await;
    for place in [4, 3, 1, 0, 2] {
        assert_eq!(worker.claim_one().await.attempt.task, ids[place]);
    }
}

pub async fn of_equal_priority_the_longest_due_goes_first(store: Db) {
    let worker = Worker::join(&store).await;
    let after = |seconds| TaskDraft { delay_seconds: Some(seconds), ..echo() };
    let ids = submit_all(&store, [after(0.15), after(0.05), after(0.0), after(0.1)]).await;
    eventually("all are due", async || {
        store.next_due().await.expect("the next due instant is told").due_in.is_none().then_some(())
    })
    .await;
    for place in [2, 1, 3, 0] {
        assert_eq!(worker.claim_one().await.attempt.task, ids[place]);
    }
}

pub async fn the_nth_slot_gets_the_nth_task(store: Db) {
    let one = Worker::join(&store).await;
    let coordinator = one.registration.coordinator;
    let two = Worker::join_as(&store, Registration { coordinator, ..stranger() }).await;
    let ids = submit_all(&store, [ranked("a", 1), ranked("b", 3), ranked("a", 2), ranked("b", 0)]).await;
    let slots = [&one, &two, &two, &one, &two].map(Worker::slot).to_vec();
    let claimed = claim(&store, ClaimRequest { slots, ..one.request(0) }).await;
    let given: HashMap<_, _> =
        claimed.iter().map(|claimed| (claimed.attempt.task, claimed.session)).collect();
    assert_eq!(claimed.len(), 4);
    for (place, session) in [(1, one.session), (2, two.session), (0, two.session), (3, one.session)] {
        assert_eq!(given[&ids[place]], session, "task {place}");
        assert_eq!(get(&store, ids[place]).await.session, Some(session));
    }
}

pub async fn no_more_tasks_are_claimed_than_there_are_slots(store: Db) {
    let worker = Worker::join(&store).await;
    submit_all(&store, vec![echo(); 10]).await;
    assert!(worker.claim(0).await.is_empty());
    assert_eq!(worker.claim(3).await.len(), 3);
    assert_eq!(worker.claim(100).await.len(), 7);
    assert!(worker.claim(100).await.is_empty());
}

pub async fn only_tasks_of_the_queues_asked_for_are_claimed(store: Db) {
    let worker = Worker::join(&store).await;
    let ids = submit_all(&store, [ranked("a", 9), ranked("b", 0), ranked("c", 5)]).await;
    let claim = async |queues: &[&str]| {
        let queues = Some(queues.iter().map(|name| queue(name)).collect());
        let claimed = claim(&store, ClaimRequest { queues, ..worker.request(5) }).await;
        claimed.iter().map(|claimed| claimed.attempt.task).collect::<Vec<_>>()
    };
    assert!(claim(&[]).await.is_empty(), "no queue, no task");
    assert!(claim(&["d", "default"]).await.is_empty());
    assert_eq!(claim(&["b", "d"]).await, [ids[1]]);
    let mut rest = claim(&["c", "a", "c"]).await;
    rest.sort();
    assert_eq!(rest, [ids[0], ids[2]]);
}

pub async fn a_task_goes_only_to_labels_that_meet_its_requirements(store: Db) {
    let worker = Worker::join(&store).await;
    let requires = labels(&[("gpu", "true"), ("zone", "eu")]);
    let id = submit(&store, TaskDraft { requires, priority: Some(9), ..echo() }).await;
    let any = submit(&store, echo()).await;
    let claim = async |pairs: &[(&str, &str)]| {
        let claimed = claim(&store, ClaimRequest { labels: labels(pairs), ..worker.request(1) }).await;
        claimed.first().map(|claimed| claimed.attempt.task)
    };
    assert_eq!(claim(&[]).await, Some(any), "a task that cannot be claimed holds up no other");
    for poor in
        [&[("gpu", "true")][..], &[("gpu", "false"), ("zone", "eu")], &[("zone", "eu"), ("GPU", "true")]]
    {
        assert_eq!(claim(poor).await, None, "{poor:?}");
    }
    assert_eq!(claim(&[("zone", "eu"), ("more", ""), ("gpu", "true")]).await, Some(id));
}

pub async fn a_requirement_may_hold_any_character(store: Db) {
    let worker = Worker::join(&store).await;
    let odd = [("a.b", "x"), ("it's", "\"q\""), ("$[0]", "\\"), ("grüße", "✓"), ("*", ""), ("%_", "{}")];
    let mut ids = Vec::new();
    for pair in odd {
        ids.push(submit(&store, TaskDraft { requires: labels(&[pair]), ..echo() }).await);
    }
    assert!(worker.claim(10).await.is_empty());
    let near = labels(&[("a", "x"), ("its", "q"), ("$", "\\"), ("grusse", "✓"), ("**", ""), ("ab", "{}")]);
    let claimed = claim(&store, ClaimRequest { labels: near, ..worker.request(10) }).await;
    assert!(claimed.is_empty());
    let claimed = claim(&store, ClaimRequest { labels: labels(&odd), ..worker.request(10) }).await;
    let mut claimed: Vec<_> = claimed.iter().map(|claimed| claimed.attempt.task).collect();
    claimed.sort();
    assert_eq!(claimed, ids);
}

pub async fn a_session_of_another_coordinator_gets_nothing(store: Db) {
    let (ours, theirs) = (Worker::join(&store).await, Worker::join(&store).await);
    submit_all(&store, vec![echo(); 2]).await;
    let slots = [&theirs, &ours].map(Worker::slot).to_vec();
    let claimed = claim(&store, ClaimRequest { slots, ..ours.request(0) }).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.session).collect::<Vec<_>>(), [ours.session]);
    assert_eq!(theirs.claim_one().await.session, theirs.session, "its own coordinator claims for it");
}

pub async fn an_ended_session_gets_nothing(store: Db) {
    let left = Worker::join(&store).await;
    left.leave().await;
    let lost = Worker::join_for(&store, SHORT).await;
    eventually("the session is lost", async || {
        let swept = sweep(&store, 100).await;
        swept.sessions_lost.iter().any(|(session, _)| *session == lost.session).then_some(())
    })
    .await;
    let mut replaced = Worker::join(&store).await;
    let before = replaced.request(1);
    replaced.restart(&[]).await;
    let id = submit(&store, echo()).await;
    assert!(left.claim(1).await.is_empty(), "a session that said goodbye");
    assert!(lost.claim(1).await.is_empty(), "a session whose lease ran out");
    assert!(claim(&store, before).await.is_empty(), "a session that another process took over");
    assert_eq!(replaced.claim_one().await.attempt.task, id);
}

pub async fn a_slot_of_an_earlier_registration_gets_nothing(store: Db) {
    let worker = Worker::join(&store).await;
    let seen_before = worker.request(1);
    worker.come_back(&[]).await;
    let id = submit(&store, echo()).await;
    let claimed = claim(&store, seen_before).await;
    assert!(claimed.is_empty(), "its worker said meanwhile what it holds, and this was not among it");
    assert_eq!(worker.claim_one().await.attempt.task, id);
}
