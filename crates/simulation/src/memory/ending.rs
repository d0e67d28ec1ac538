//! Recording what workers say of attempts, and losing those of ended sessions.

use chrono::{DateTime, Utc};
use distrack_core::{AttemptRef, Outcome, Task, TaskId, TaskState};
use distrack_store::shared::{Batch, Ending};
use distrack_store::{AttemptReport, Progress, Reported, StoreError, Swept};

use super::Result;
use super::state::{Kept, State, delta};

impl State {
    pub(super) fn report(&mut self, reports: Vec<AttemptReport>, now: DateTime<Utc>) -> Result<Reported> {
        let rows = self.lock_attempts(reports.iter().map(|report| report.attempt.task), now);
        let (reported, batch) = Batch::judge(rows, reports)?;
        let starts = batch.starts.len();
        let mut started = 0;
        for (attempt, ago) in batch.starts {
            let dispatched = |task: &Task| task.state == TaskState::Dispatched;
            started += u64::from(self.change(attempt, dispatched, |kept| {
                kept.task.state = TaskState::Running;
                kept.task.started_at = kept.task.picked_at.map(|picked| picked.max(now - delta(ago)));
            }));
        }
        if started != starts as u64 {
            return Err(StoreError::miscounted("start", starts, started));
        }
        self.end(&batch.endings, now)?;
        for (id, attempt, output) in batch.outputs {
            if let Some(kept) = self.tasks.get_mut(&TaskId::from(id)) {
                kept.outputs.insert(u32::try_from(attempt).unwrap_or_default(), output);
            }
        }
        Ok(reported)
    }

    /// Ends the sessions whose lease ran out, loses what ended sessions hold, expires tasks.
    pub(super) fn sweep(
        &mut self,
        limit: u32,
        last: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Swept> {
        let limit = limit as usize;
        let watched = last.is_some_and(|last| (now - last).num_milliseconds() < 5_000);
        let mut sessions_lost = Vec::new();
        let over = self
            .sessions
            .iter_mut()
            .filter(|(_, session)| session.is_open() && session.lease_expires_at <= now);
        for (id, session) in over.filter(|_| watched).take(limit) {
            session.ended_at = Some(now);
            session.lost = true;
            sessions_lost.push((*id, session.name.clone()));
        }
        let ended = |kept: &&Kept| {
            let session = kept.task.session.and_then(|session| self.sessions.get(&session));
            kept.task.state.is_held() && session.is_some_and(|session| !session.is_open())
        };
        let orphans: Vec<AttemptRef> =
            self.tasks.values().filter(ended).map(Kept::attempt).take(limit).collect();
        let attempts_lost = self.lose(&orphans, now)?;
        let past = |task: &Task| task.expires_at.is_some_and(|expires_at| expires_at <= now);
        let waiting = self.tasks.values().filter(|kept| kept.task.state == TaskState::Pending);
        let late: Vec<AttemptRef> =
            waiting.filter(|kept| past(&kept.task)).map(Kept::attempt).take(limit).collect();
        let mut tasks_expired = Vec::new();
        for attempt in late {
            self.change(attempt, past, |kept| {
                kept.task.state = TaskState::Expired;
                kept.task.finished_at = Some(now);
                tasks_expired.push(kept.task.queue.clone());
            });
        }
        Ok(Swept { at: now, sessions_lost, attempts_lost, tasks_expired })
    }

    /// Loses attempts whose worker is gone.
    pub(super) fn lose(&mut self, attempts: &[AttemptRef], now: DateTime<Utc>) -> Result<Vec<Progress>> {
        let rows = self.lock_attempts(attempts.iter().map(|attempt| attempt.task), now);
        let (endings, lost) = Ending::lose(&rows)?;
        self.end(&endings, now)?;
        Ok(lost)
    }

    fn end(&mut self, endings: &[Ending], now: DateTime<Utc>) -> Result<()> {
        let mut ended = 0;
        for ending in endings {
            let held = |task: &Task| task.state.is_held();
            ended += u64::from(self.change(ending.attempt, held, |kept| write(kept, ending, now)));
        }
        if ended == endings.len() as u64 {
            Ok(())
        } else {
            Err(StoreError::miscounted("finish", endings.len(), ended))
        }
    }
}

fn write(kept: &mut Kept, ending: &Ending, now: DateTime<Utc>) {
    let task = &mut kept.task;
    let picked = task.picked_at.unwrap_or(now);
    task.state = ending.next;
    if ending.next == TaskState::Pending {
        task.due_at = now + delta(ending.verdict.due_in);
    }
    (task.failures, task.losses, task.session) = (ending.verdict.failures, ending.verdict.losses, None);
    let ran_from = ending.ran.map(|ran| picked.max(now - delta(ending.ago.saturating_add(ran))));
    let before = task.started_at.unwrap_or(picked);
    task.finished_at = Some(picked.max(before).max(now - delta(ending.ago)));
    task.started_at = task.started_at.or(ran_from);
    let Outcome { cause, exit_code, error, .. } = &ending.verdict.outcome;
    task.outcome = Some(Outcome {
        exit_code: exit_code.or(cause.is_none().then_some(0)),
        error: error.as_deref().map(|error| error.replace('\0', "\u{fffd}")),
        final_failure: false,
        ..ending.verdict.outcome.clone()
    });
    if ending.is_superseded() {
        let attempt = kept.last_attempt();
        kept.superseded.push(attempt);
    }
}
