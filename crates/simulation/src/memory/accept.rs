//! Accepting tasks, and cancelling them.

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::{AttemptRef, Due, Task, TaskId, TaskState};
use distrack_store::shared::{Created, Taken, answer};
use distrack_store::{AuditNote, CancelAnswer, Submission, SubmitMode, Submitted};

use super::Result;
use super::state::{Kept, Key, State, delta};

impl State {
    pub(super) fn submit(
        &mut self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Submitted>> {
        let (mut created, mut taken) = (Created::new(), Taken::new());
        let mut fresh: Vec<(String, Key)> = Vec::new();
        for Submission { task, key } in &submissions {
            if let Some(key) = key {
                let earlier = fresh.iter().find(|(name, _)| *name == key.key).map(|(_, key)| key);
                let earlier = earlier.or_else(|| self.keys.get(&key.key).filter(|key| key.expires_at > now));
                if let Some(earlier) = earlier {
                    taken.insert(key.key.clone(), (earlier.hash.clone(), earlier.task));
                    continue;
                }
                let expires_at = now + TimeDelta::hours(24);
                let taking = Key { hash: key.request_hash.to_vec(), task: task.id, expires_at };
                fresh.push((key.key.clone(), taking));
            }
            let scheduled_at = match task.due {
                Due::After(delay) => now + delta(delay),
                Due::At(at) => at,
            };
            created.insert(task.id, (now, scheduled_at));
        }
        let answers = answer(&submissions, &created, &taken)?;
        if mode == SubmitMode::AllOrNone && answers.contains(&Submitted::KeyConflict) {
            return Ok(answers);
        }
        self.keys.extend(fresh);
        for Submission { task, .. } in submissions {
            if let Some(&(created_at, scheduled_at)) = created.get(&task.id) {
                self.accept(task, created_at, scheduled_at);
            }
        }
        for note in notes.into_iter().filter(|note| note.task.is_some_and(|task| created.contains_key(&task)))
        {
            self.note(note, now);
        }
        Ok(answers)
    }

    fn accept(
        &mut self,
        new: distrack_core::NewTask,
        created_at: DateTime<Utc>,
        scheduled_at: DateTime<Utc>,
    ) {
        let task = Task {
            id: new.id,
            state: TaskState::Pending,
            spec: new.spec,
            queue: new.queue,
            priority: new.priority,
            policy: new.policy,
            labels: new.labels,
            requires: new.requires,
            created_at,
            scheduled_at,
            due_at: scheduled_at.max(created_at),
            expires_at: new.expires_at,
            epoch: 0,
            attempt: 0,
            failures: 0,
            losses: 0,
            worker: None,
            session: None,
            picked_at: None,
            started_at: None,
            finished_at: None,
            cancel_requested_at: None,
            outcome: None,
            trace: new.trace,
            attempt_trace_id: None,
            attempt_span_id: None,
            retry_of: new.retry_of,
        };
        let kept = Kept { task, trace_mode: None, superseded: Vec::new(), outputs: Default::default() };
        self.pending.insert(kept.place(), kept.task.queue.clone());
        self.tasks.insert(kept.task.id, kept);
    }

    pub(super) fn cancel(
        &mut self,
        task: TaskId,
        note: Option<AuditNote>,
        now: DateTime<Utc>,
    ) -> CancelAnswer {
        let answer = self.cancelled(task, now);
        if let Some(note) =
            note.filter(|_| matches!(answer, CancelAnswer::Cancelled | CancelAnswer::Requested))
        {
            self.note(note, now);
        }
        answer
    }

    fn cancelled(&mut self, task: TaskId, now: DateTime<Utc>) -> CancelAnswer {
        let Some(found) = self.tasks.get(&task) else { return CancelAnswer::NotFound };
        let attempt = AttemptRef { task, epoch: found.task.epoch };
        let pending = |task: &Task| task.state == TaskState::Pending;
        let cancelled = self.change(attempt, pending, |kept| {
            kept.task.state = TaskState::Cancelled;
            kept.task.finished_at = Some(now);
            kept.task.cancel_requested_at = Some(now);
        });
        if cancelled {
            return CancelAnswer::Cancelled;
        }
        let held = |task: &Task| task.state.is_held();
        let marked = self.change(attempt, held, |kept| {
            kept.task.cancel_requested_at.get_or_insert(now);
        });
        if marked { CancelAnswer::Requested } else { CancelAnswer::Ended }
    }
}
