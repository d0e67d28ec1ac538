//! Noting who asked for what: with what was done or not at all, and never changed.

use std::time::Duration;

use distrack_core::{QueueName, TaskDraft, TaskId, TraceId};

use super::fixtures::{Db, LONG, NOW, echo, later, new_task, submit, without_key};
use super::fleet::Worker;
use crate::{
    AuditAction, AuditEntry, AuditNote, AuditQuery, AuditToken, CancelAnswer, IdempotencyKey, Pruned,
    Retention, Submission, SubmitMode, Submitted,
};

fn note(action: AuditAction, task: TaskId) -> AuditNote {
    AuditNote {
        action,
        task: Some(task),
        other_task: None,
        count: 1,
        token: Some(AuditToken { id: "id".to_owned(), name: "näme".to_owned() }),
        address: Some([10, 0, 0, 7].into()),
        queue: Some(QueueName::default()),
        command_hash: Some([7; 32]),
        trace_id: TraceId::random(),
    }
}

fn bare(action: AuditAction, task: TaskId) -> AuditNote {
    AuditNote { token: None, address: None, queue: None, command_hash: None, ..note(action, task) }
}

/// All notes, oldest first.
async fn notes(store: &Db) -> Vec<AuditNote> {
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let entries = store.audit(query).await.expect("notes are read");
    assert!(entries.is_sorted_by(|one, other| one.id > other.id), "newest first");
    entries.into_iter().rev().map(|entry| entry.note).collect()
}

async fn of_task(store: &Db, task: TaskId) -> Vec<AuditEntry> {
    let query = AuditQuery { task: Some(task), limit: 1000, ..AuditQuery::default() };
    store.audit(query).await.expect("notes are read")
}

fn keyed(key: &str, request: u8) -> Submission {
    let key = IdempotencyKey { key: key.to_owned(), request_hash: [request; 32] };
    Submission { task: new_task(later()), key: Some(key) }
}

pub async fn a_note_is_written_with_the_task_and_reads_back_as_it_was(store: Db) {
    let task = new_task(later());
    let id = task.id;
    let (full, other) = (note(AuditAction::Submit, id), new_task(later()));
    let submissions = vec![without_key(task), without_key(other)];
    store.submit_by(submissions, SubmitMode::Each, vec![full.clone()]).await.expect("they are stored");
    let cancelled = store.cancel_by(id, Some(note(AuditAction::Cancel, id))).await;
    assert_eq!(cancelled.expect("it is answered"), CancelAnswer::Cancelled);
    let written = notes(&store).await;
    assert_eq!(written.len(), 2, "the other one had no note");
    assert_eq!((&written[0], written[1].action), (&full, AuditAction::Cancel));
}

pub async fn what_was_not_done_is_not_noted(store: Db) {
    let first = keyed("k", 1);
    let id = first.task.id;
    let noted = |submission: &Submission| vec![note(AuditAction::Submit, submission.task.id)];
    let send = async |submission: Submission, mode| {
        let notes = noted(&submission);
        store.submit_by(vec![submission], mode, notes).await.expect("it is answered").remove(0)
    };
    assert!(matches!(send(first, SubmitMode::Each).await, Submitted::Created { .. }));
    assert_eq!(send(keyed("k", 1), SubmitMode::Each).await, Submitted::Replayed(id));
    assert_eq!(send(keyed("k", 2), SubmitMode::Each).await, Submitted::KeyConflict);
    // Taken back as a whole: also the note of the one that would have been stored.
    let (fresh, taken) = (keyed("fresh", 1), keyed("k", 2));
    let both = [noted(&fresh), noted(&taken)].concat();
    let answers = store.submit_by(vec![fresh, taken], SubmitMode::AllOrNone, both).await;
    assert!(answers.expect("they are answered").contains(&Submitted::KeyConflict));
    assert_eq!(notes(&store).await.len(), 1);

    let cancel = async |task| store.cancel_by(task, Some(note(AuditAction::Cancel, task))).await;
    assert_eq!(cancel(id).await.expect("it is answered"), CancelAnswer::Cancelled);
    assert_eq!(cancel(id).await.expect("it is answered"), CancelAnswer::Ended);
    assert_eq!(cancel(TaskId::new()).await.expect("it is answered"), CancelAnswer::NotFound);
    let actions: Vec<_> = notes(&store).await.iter().map(|note| note.action).collect();
    assert_eq!(actions, [AuditAction::Submit, AuditAction::Cancel]);
}

pub async fn a_cancel_of_a_held_task_is_noted_with_its_queue(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(TaskDraft { queue: Some("held".to_owned()), ..echo() }).await;
    let answer = store.cancel_by(attempt.task, Some(bare(AuditAction::Cancel, attempt.task))).await;
    assert_eq!(answer.expect("it is answered"), CancelAnswer::Requested);
    let written = notes(&store).await;
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].queue.as_ref().map(QueueName::as_str), Some("held"));
}

pub async fn a_task_has_its_own_notes_those_of_its_batch_and_of_its_retries(store: Db) {
    let tasks: Vec<_> = (0..5).map(|_| new_task(later())).collect();
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let batch = AuditNote { count: 5, other_task: Some(ids[4]), ..bare(AuditAction::Submit, ids[0]) };
    let rows = tasks.into_iter().map(without_key).collect();
    store.submit_by(rows, SubmitMode::AllOrNone, vec![batch]).await.expect("they are stored");
    let again = new_task(later());
    let again_id = again.id;
    let retry = AuditNote { other_task: Some(ids[2]), ..bare(AuditAction::Retry, again_id) };
    store.submit_by(vec![without_key(again)], SubmitMode::Each, vec![retry]).await.expect("it is stored");
    store.cancel_by(ids[1], Some(bare(AuditAction::Cancel, ids[1]))).await.expect("it is cancelled");

    let actions = async |task| -> Vec<AuditAction> {
        of_task(&store, task).await.into_iter().map(|entry| entry.note.action).collect()
    };
    assert_eq!(actions(ids[0]).await, [AuditAction::Submit]);
    assert_eq!(of_task(&store, ids[0]).await[0].note.queue, None, "a batch may be for several");
    assert_eq!(actions(ids[1]).await, [AuditAction::Cancel, AuditAction::Submit]);
    assert_eq!(actions(ids[2]).await, [AuditAction::Retry, AuditAction::Submit]);
    assert_eq!(actions(ids[4]).await, [AuditAction::Submit]);
    assert_eq!(actions(again_id).await, [AuditAction::Retry]);
    assert_eq!(actions(TaskId::new()).await, []);
}

pub async fn notes_are_read_a_page_at_a_time(store: Db) {
    let task = new_task(later());
    let id = task.id;
    let noted = vec![bare(AuditAction::Submit, id)];
    store.submit_by(vec![without_key(task)], SubmitMode::Each, noted).await.expect("it is stored");
    for _ in 0..4 {
        let next = submit(&store, later()).await;
        store.cancel_by(next, Some(bare(AuditAction::Cancel, next))).await.expect("it is cancelled");
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.audit(AuditQuery { cursor, limit: 2, task: None }).await.expect("notes are read");
        let Some(last) = page.last() else { break };
        cursor = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|one, other| one.id > other.id && one.at >= other.at), "{seen:?}");
    assert_eq!(seen[4].note.task, Some(id));
}

pub async fn notes_outlive_their_task_and_go_by_their_own_retention(store: Db) {
    for _ in 0..3 {
        let task = submit(&store, later()).await;
        store.cancel_by(task, Some(bare(AuditAction::Cancel, task))).await.expect("it is cancelled");
    }
    let prune = async |audit: Duration, limit| {
        let retention = Retention { tasks: NOW, sessions: NOW, audit };
        store.prune(retention, limit).await.expect("pruning ends")
    };
    assert_eq!(prune(LONG, 100).await, Pruned { tasks: 3, ..Pruned::default() });
    assert_eq!(notes(&store).await.len(), 3);
    for expected in [2, 1, 0] {
        assert_eq!(prune(NOW, 2).await.audit, expected);
    }
    assert_eq!(notes(&store).await, []);
}
