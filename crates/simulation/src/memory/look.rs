//! Steps that only look.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::why::{Facts, MOST_AHEAD, Serving};
use distrack_core::{Attempt, Output, QueueName, SessionId, Task, TaskId, TaskState};
use distrack_store::shared::{Concerned, is_in_line};
use distrack_store::{ListQuery, QueueSnapshot, WorkerSession, WorkerState};

use super::Result;
use super::state::{Session, State};

impl State {
    pub(super) fn get(&self, tasks: &[TaskId]) -> Vec<Task> {
        let ids: std::collections::BTreeSet<_> = tasks.iter().collect();
        ids.into_iter().filter_map(|id| Some(self.tasks.get(id)?.task.clone())).collect()
    }

    pub(super) fn list(&self, query: &ListQuery) -> Vec<Task> {
        let fits = |task: &&Task| {
            query.cursor.is_none_or(|cursor| task.id < cursor.0)
                && query.state.is_none_or(|state| task.state == state)
                && query.queue.as_ref().is_none_or(|queue| task.queue == *queue)
                && query.queues.as_ref().is_none_or(|queues| queues.contains(&task.queue))
                && query.labels.iter().all(|(key, value)| task.labels.get(key) == Some(value))
                && query.created_after.is_none_or(|after| task.created_at > after)
                && query.created_before.is_none_or(|before| task.created_at < before)
        };
        let newest = self.tasks.values().rev().map(|kept| &kept.task).filter(fits);
        newest.take(query.limit as usize).cloned().collect()
    }

    pub(super) fn attempts(&self, task: TaskId) -> Option<Vec<Attempt>> {
        let kept = self.tasks.get(&task)?;
        let mut attempts = kept.superseded.clone();
        let told = attempts.iter().any(|attempt| attempt.epoch == kept.task.epoch);
        let is_one =
            kept.task.picked_at.is_some() && (kept.task.state.is_held() || kept.task.outcome.is_some());
        if is_one && !told {
            attempts.push(kept.last_attempt());
        }
        Some(attempts)
    }

    pub(super) fn output(&self, task: TaskId, attempt: u32) -> Option<Output> {
        let kept = self.tasks.get(&task)?;
        let output = kept.outputs.get(&attempt).cloned();
        let last = kept.task.attempt == attempt && kept.task.outcome.is_some();
        let ended = last || kept.superseded.iter().any(|superseded| superseded.attempt == attempt);
        output.or_else(|| ended.then(Output::default))
    }

    pub(super) fn workers(&self, now: DateTime<Utc>) -> Vec<WorkerSession> {
        let back = |session: &Session| {
            let mut others = self.sessions.values().filter(|other| other.worker == session.worker);
            others.any(|other| other.registered_at > session.registered_at)
        };
        let shown =
            self.sessions.iter().filter(|(_, session)| session.is_open() || session.lost && !back(session));
        let mut workers: Vec<_> = shown.map(|(id, session)| self.worker(*id, session, now)).collect();
        workers.sort_by(|a, b| (&a.name, a.registered_at).cmp(&(&b.name, b.registered_at)));
        workers
    }

    fn worker(&self, id: SessionId, session: &Session, now: DateTime<Utc>) -> WorkerSession {
        let half = (session.lease_expires_at - session.last_heartbeat_at) / 2;
        let state = if !session.is_open() || session.lease_expires_at <= now {
            WorkerState::Lost
        } else if now > session.last_heartbeat_at + half {
            WorkerState::Late
        } else {
            WorkerState::Alive
        };
        let same = self.sessions.iter().filter(|(other, there)| {
            **other != id
                && there.address == session.address
                && there.is_open()
                && there.lease_expires_at > now
        });
        WorkerSession {
            session: id,
            worker: session.worker,
            name: session.name.clone(),
            host: session.host.clone(),
            address: session.address.clone(),
            version: session.version.clone(),
            state,
            draining: session.draining,
            slots: session.slots,
            held: u32::try_from(self.held_by(id).len()).unwrap_or(u32::MAX),
            queues: session.queues.clone(),
            labels: session.labels.clone(),
            isolation: session.isolation.clone(),
            registered_at: session.registered_at,
            last_heartbeat_at: session.last_heartbeat_at,
            lease_expires_at: session.lease_expires_at,
            same_address: u32::try_from(same.count()).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn queue_snapshot(&self, now: DateTime<Utc>) -> Vec<QueueSnapshot> {
        let mut queues: BTreeMap<QueueName, QueueSnapshot> = BTreeMap::new();
        for task in self.tasks.values().map(|kept| &kept.task).filter(|task| !task.state.is_terminal()) {
            let empty = || QueueSnapshot { queue: task.queue.clone(), ..QueueSnapshot::default() };
            let queue = queues.entry(task.queue.clone()).or_insert_with(empty);
            if task.state == TaskState::Dispatched {
                queue.dispatched += 1;
            } else if task.state == TaskState::Running {
                queue.running += 1;
            } else if task.due_at > now {
                queue.scheduled += 1;
            } else {
                queue.ready += 1;
                queue.lag = queue.lag.max((now - task.due_at).to_std().unwrap_or(Duration::ZERO));
            }
        }
        queues.into_values().collect()
    }

    pub(super) fn explain(&self, id: TaskId, now: DateTime<Utc>) -> Result<Option<Facts>> {
        let Some(task) = self.tasks.get(&id).map(|kept| kept.task.clone()) else { return Ok(None) };
        let attempts = self.attempts(id).unwrap_or_default();
        let (ahead, ahead_requiring) = if is_in_line(&task, now) { self.ahead(&task, now) } else { (0, 0) };
        let sessions = Concerned::with(&task).map(|concerned| self.serving(&concerned)).unwrap_or_default();
        Ok(Some(Facts { now, task, attempts, ahead, ahead_requiring, sessions }))
    }

    fn ahead(&self, task: &Task, now: DateTime<Utc>) -> (u32, u32) {
        let rank = -task.priority;
        let before = self.pending.iter().filter(|((other, due_at, id), queue)| {
            **queue == task.queue
                && (*other < rank && *due_at <= now
                    || *other == rank && (*due_at, *id) < (task.due_at, task.id))
        });
        let before = before.take(MOST_AHEAD as usize + 1).filter_map(|((_, _, id), _)| self.tasks.get(id));
        before.fold((0, 0), |(ahead, requiring), kept| {
            (ahead + 1, requiring + u32::from(!kept.task.requires.is_empty()))
        })
    }

    fn serving(&self, concerned: &Concerned) -> Vec<Serving> {
        let fits = |id: SessionId, session: &Session| match (concerned.session, &concerned.name) {
            (Some(wanted), _) => id.as_uuid() == wanted,
            (None, Some(name)) => session.name == *name && session.is_open(),
            (None, None) => session.is_open() || session.lost,
        };
        let found = self.sessions.iter().filter(|(id, session)| fits(**id, session));
        let mut sessions: Vec<_> = found.map(|(id, session)| self.serves(*id, session)).collect();
        sessions.sort_by(|a, b| (&a.name, a.registered_at).cmp(&(&b.name, b.registered_at)));
        sessions
    }

    fn serves(&self, id: SessionId, session: &Session) -> Serving {
        let held = || {
            let tasks = self.tasks.values().map(|kept| &kept.task);
            tasks.filter(move |task| task.session == Some(id) && task.state.is_held())
        };
        Serving {
            session: id,
            name: session.name.clone(),
            ended: !session.is_open(),
            draining: session.draining,
            slots: session.slots,
            held: u32::try_from(held().count()).unwrap_or(u32::MAX),
            oldest_started_at: held().filter_map(|task| task.started_at).min(),
            newest_picked_at: held().filter_map(|task| task.picked_at).max(),
            queues: session.queues.clone(),
            labels: session.labels.clone(),
            registered_at: session.registered_at,
            last_heartbeat_at: session.last_heartbeat_at,
            lease_expires_at: session.lease_expires_at,
        }
    }
}
