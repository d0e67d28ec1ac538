//! Removing what is older than its retention.

use chrono::{DateTime, Utc};
use distrack_core::TaskId;
use distrack_store::{Pruned, Retention};

use super::state::{State, delta};

impl State {
    pub(super) fn prune(&mut self, retention: Retention, limit: u32, now: DateTime<Utc>) -> Pruned {
        let limit = limit as usize;
        let old = now - delta(retention.tasks);
        let ended = self.tasks.values().map(|kept| &kept.task).filter(|task| task.state.is_terminal());
        let ended = ended.filter(|task| task.finished_at.is_some_and(|finished_at| finished_at <= old));
        let tasks: Vec<TaskId> = ended.map(|task| task.id).take(limit).collect();
        tasks.iter().for_each(|id| _ = self.tasks.remove(id));

        let keys: Vec<String> = self
            .keys
            .iter()
            .filter(|(_, key)| key.expires_at <= now)
            .map(|(name, _)| name.clone())
            .take(limit)
            .collect();
        keys.iter().for_each(|name| _ = self.keys.remove(name));

        let old = now - delta(retention.sessions);
        let ended = self
            .sessions
            .iter()
            .filter(|(_, session)| session.ended_at.is_some_and(|ended_at| ended_at <= old));
        let free = ended.map(|(id, _)| *id).filter(|id| self.held_by(*id).is_empty());
        let sessions: Vec<_> = free.take(limit).collect();
        sessions.iter().for_each(|id| _ = self.sessions.remove(id));

        Pruned {
            tasks: tasks.len() as u64,
            keys: keys.len() as u64,
            sessions: sessions.len() as u64,
            audit: self.prune_audit(delta(retention.audit), limit, now),
        }
    }
}
