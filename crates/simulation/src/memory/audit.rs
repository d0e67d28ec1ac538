//! Writing down who asked for what, and reading it.

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::TaskId;
use distrack_store::shared::earliest_of_batch;
use distrack_store::{AuditAction, AuditEntry, AuditNote, AuditQuery};

use super::state::State;

impl State {
    pub(super) fn note(&mut self, mut note: AuditNote, now: DateTime<Utc>) {
        if note.queue.is_none() && note.count == 1 {
            let task = note.task.and_then(|task| self.tasks.get(&task));
            note.queue = task.map(|kept| kept.task.queue.clone());
        }
        let id = self.noted + 1;
        self.noted = id;
        self.audit.insert(id, AuditEntry { id, at: now, note });
    }

    pub(super) fn read_audit(&self, query: AuditQuery) -> Vec<AuditEntry> {
        let before = self.audit.range(..query.cursor.unwrap_or(i64::MAX)).rev().map(|(_, entry)| entry);
        let found = before.filter(|entry| query.task.is_none_or(|task| self.concerns(&entry.note, task)));
        found.take(query.limit as usize).cloned().collect()
    }

    /// Whether a note is of this task, of a retry of it, or of the batch that it came with.
    fn concerns(&self, note: &AuditNote, task: TaskId) -> bool {
        let repeats = note.action == AuditAction::Retry && note.other_task == Some(task);
        note.task == Some(task) || repeats || self.is_batch_of(note, task)
    }

    fn is_batch_of(&self, note: &AuditNote, task: TaskId) -> bool {
        let made = |note: &AuditNote| {
            note.task == Some(task) && matches!(note.action, AuditAction::Submit | AuditAction::Retry)
        };
        note.action == AuditAction::Submit
            && note.task.is_some_and(|first| first < task && first.as_uuid() >= earliest_of_batch(task))
            && note.other_task.is_some_and(|last| last >= task)
            && !self.audit.values().any(|entry| made(&entry.note))
    }

    pub(super) fn prune_audit(&mut self, older: TimeDelta, limit: usize, now: DateTime<Utc>) -> u64 {
        let old = self.audit.values().filter(|entry| entry.at <= now - older).map(|entry| entry.id);
        let old: Vec<i64> = old.take(limit).collect();
        old.iter().for_each(|id| _ = self.audit.remove(id));
        old.len() as u64
    }
}
