//! Listing: filters, and pages that stay right while tasks come and change.

use std::collections::BTreeMap;

use distrack_core::{Outcome, TaskDraft, TaskId, TaskState};

use super::fixtures::{
    Db, echo, eventually, exit, finished, get, later, report, started, submit, submit_all,
};
use super::fleet::Worker;
use crate::{Cursor, ListQuery};

fn all() -> ListQuery {
    ListQuery { limit: 1000, ..ListQuery::default() }
}

async fn list(store: &Db, query: ListQuery) -> Vec<TaskId> {
    store.list(query).await.expect("tasks are listed").iter().map(|task| task.id).collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn tasks_are_listed_newest_first(store: Db) {
    assert!(list(&store, all()).await.is_empty());
    let mut ids = submit_all(&store, vec![later(); 5]).await;
    ids.extend(submit_all(&store, vec![later(); 3]).await);
    ids.reverse();
    assert_eq!(list(&store, all()).await, ids);
    assert_eq!(list(&store, ListQuery { limit: 2, ..all() }).await, ids[..2]);
    let listed = store.list(ListQuery { limit: 1, ..all() }).await.expect("tasks are listed");
    assert_eq!(listed, [get(&store, ids[0]).await], "a listed task is the whole task");
}

pub async fn tasks_are_listed_by_state(store: Db) {
    let worker = Worker::join(&store).await;
    let running = worker.run(echo()).await.task;
    let completed = worker.run(echo()).await;
    report(&store, finished(completed, Outcome::success())).await;
    let failed = worker.run(echo()).await;
    report(&store, finished(failed, exit(1))).await;
    let dispatched = worker.hold(echo()).await.task;
    let cancelled = submit(&store, later()).await;
    store.cancel(cancelled).await.expect("it is cancelled");
    let pending = submit(&store, later()).await;
    let expected = [
        (TaskState::Pending, Some(pending)),
        (TaskState::Dispatched, Some(dispatched)),
        (TaskState::Running, Some(running)),
        (TaskState::Completed, Some(completed.task)),
        (TaskState::Failed, Some(failed.task)),
        (TaskState::Cancelled, Some(cancelled)),
        (TaskState::Expired, None),
    ];
    for (state, id) in expected {
        let found = list(&store, ListQuery { state: Some(state), ..all() }).await;
        assert_eq!(found, Vec::from_iter(id), "{state}");
    }
}

pub async fn tasks_are_listed_by_queue_and_labels(store: Db) {
    let odd = "a.b \"c\" 'd' $e";
    let of = |queue: &str, pairs: &[(&str, &str)]| TaskDraft {
        queue: Some(queue.to_owned()),
        labels: labels(pairs),
        ..later()
    };
    let ids = submit_all(
        &store,
        [
            of("mail", &[]),
            of("mail", &[("team", "a"), ("tier", "1")]),
            of("print", &[("team", "a")]),
            of("print", &[("team", "b"), (odd, "x'\"y")]),
        ],
    )
    .await;
    let expect = async |queue: Option<&str>, pairs: &[(&str, &str)], places: &[usize]| {
        let queue = queue.map(|name| name.parse().expect("a queue's name"));
        let found = list(&store, ListQuery { queue, labels: labels(pairs), ..all() }).await;
        let expected: Vec<_> = places.iter().map(|place| ids[*place]).collect();
        assert_eq!(found, expected, "{pairs:?}");
    };
    expect(Some("mail"), &[], &[1, 0]).await;
    expect(Some("nobody"), &[], &[]).await;
    expect(None, &[("team", "a")], &[2, 1]).await;
    expect(None, &[("team", "a"), ("tier", "1")], &[1]).await;
    expect(Some("print"), &[("team", "a")], &[2]).await;
    expect(None, &[("team", "a"), ("tier", "2")], &[]).await;
    expect(None, &[("team", "")], &[]).await;
    expect(None, &[(odd, "x'\"y")], &[3]).await;
}

pub async fn tasks_are_listed_by_the_instant_of_their_acceptance(store: Db) {
    let first = submit(&store, later()).await;
    let from = get(&store, first).await.created_at;
    let second = eventually("a task is accepted later", async || {
        let id = submit(&store, later()).await;
        (get(&store, id).await.created_at > from).then_some(id)
    })
    .await;
    let to = get(&store, second).await.created_at;
    let after = list(&store, ListQuery { created_after: Some(from), ..all() }).await;
    assert!(after.contains(&second) && !after.contains(&first), "after an instant, not at it");
    let before = list(&store, ListQuery { created_before: Some(to), ..all() }).await;
    assert!(before.contains(&first) && !before.contains(&second), "before an instant, not at it");
    let between = ListQuery { created_after: Some(from), created_before: Some(to), ..all() };
    assert!(list(&store, between).await.is_empty());
}

pub async fn a_cursor_stays_right_while_tasks_come_and_change(store: Db) {
    let mut ids = submit_all(&store, vec![later(); 10]).await;
    ids.reverse();
    let mut seen = list(&store, ListQuery { limit: 3, ..all() }).await;
    while let Some(last) = seen.last().copied() {
        submit_all(&store, vec![later(); 2]).await;
        store.cancel(last).await.expect("it is cancelled");
        store.cancel(ids[9]).await.expect("it is cancelled");
        let page = list(&store, ListQuery { cursor: Some(Cursor(last)), limit: 3, ..all() }).await;
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, ids, "each task once, none that came later");
}

pub async fn a_cursor_goes_with_every_filter(store: Db) {
    let drafts = (0..12).map(|n| TaskDraft { queue: Some(format!("q{}", n % 2)), ..later() });
    let ids = submit_all(&store, drafts).await;
    let query = || ListQuery {
        queue: Some("q0".parse().expect("a queue's name")),
        state: Some(TaskState::Pending),
        limit: 4,
        ..all()
    };
    let first = list(&store, query()).await;
    assert_eq!(first, [ids[10], ids[8], ids[6], ids[4]]);
    let second = list(&store, ListQuery { cursor: Some(Cursor(first[3])), ..query() }).await;
    assert_eq!(second, [ids[2], ids[0]]);
}

pub async fn a_listed_task_is_as_fresh_as_one_read_by_id(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    report(&store, started(attempt)).await;
    let listed = store.list(all()).await.expect("tasks are listed");
    assert_eq!(listed, [get(&store, attempt.task).await]);
    assert_eq!(listed[0].state, TaskState::Running);
}

pub async fn only_tasks_of_the_queues_that_may_be_seen_are_listed_page_by_page(store: Db) {
    let drafts = (0..12).map(|n| TaskDraft { queue: Some(format!("q{}", n % 4)), ..later() });
    let ids = submit_all(&store, drafts).await;
    let queues = |names: &[&str]| Some(names.iter().map(|name| name.parse().expect("a name")).collect());
    let query = |names: &[&str]| ListQuery { queues: queues(names), limit: 4, ..all() };
    let first = list(&store, query(&["q1", "q3"])).await;
    assert_eq!(first, [ids[11], ids[9], ids[7], ids[5]]);
    let second = ListQuery { cursor: Some(Cursor(first[3])), ..query(&["q1", "q3"]) };
    assert_eq!(list(&store, second).await, [ids[3], ids[1]]);
    let both = |names: &[&str]| ListQuery { queue: Some("q1".parse().expect("a name")), ..query(names) };
    assert_eq!(list(&store, both(&["q1", "q2"])).await, [ids[9], ids[5], ids[1]]);
    assert!(list(&store, both(&["q2"])).await.is_empty(), "a filter opens nothing");
    assert!(list(&store, query(&[])).await.is_empty(), "no queue at all is none");
}
