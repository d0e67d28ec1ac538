//! Workers' sessions: opening, continuing, renewing and ending them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::protocol::reconcile::{self, Admission, Live, Process};
use distrack_core::{CoordinatorId, SessionId};
use distrack_store::shared::{admit, overtaken, sort_held, sort_left};
use distrack_store::{HeartbeatSeen, Progress, Registered, Registration, Renewed};

use super::Result;
use super::state::{Session, State, delta};

impl State {
    pub(super) fn register(&mut self, new: &Registration, now: DateTime<Utc>) -> Result<Registered> {
        let current =
            self.sessions.iter().find(|(_, session)| session.worker == new.worker && session.is_open());
        let live = current.map(|(_, session)| Live {
            instance: session.instance,
            host: &session.host,
            leased: session.lease_expires_at > now,
        });
        let mut registered = match (admit(live, new)?, current.map(|(id, _)| *id)) {
            (Admission::Continue, Some(id)) => self.go_on(id, new, now)?,
            (_, Some(id)) => self.supersede(id, new, now)?,
            (_, None) => self.open(new, now),
        };
        registered.kill = reconcile::kill(&new.held, &registered.kept);
        Ok(registered)
    }

    fn open(&mut self, new: &Registration, now: DateTime<Utc>) -> Registered {
        let id = SessionId::new();
        let session = Session {
            worker: new.worker,
            instance: new.instance,
            host: new.host.clone(),
            name: new.name.clone(),
            address: new.address.clone(),
            version: new.version.clone(),
            coordinator: new.coordinator,
            attach: 1,
            sequence: new.sequence,
            slots: new.slots,
            draining: false,
            queues: new.queues.clone(),
            labels: new.labels.clone(),
            isolation: new.isolation.clone(),
            registered_at: now,
            last_heartbeat_at: now,
            lease_expires_at: now + delta(new.lost_after),
            ended_at: None,
            lost: false,
        };
        self.sessions.insert(id, session);
        Registered::new(id, 1)
    }

    fn go_on(&mut self, id: SessionId, new: &Registration, now: DateTime<Utc>) -> Result<Registered> {
        let session = self.sessions.get_mut(&id).filter(|session| session.sequence < new.sequence);
        let session = session.ok_or_else(|| overtaken(new))?;
        session.coordinator = new.coordinator;
        session.attach += 1;
        session.name.clone_from(&new.name);
        session.address.clone_from(&new.address);
        session.version.clone_from(&new.version);
        session.slots = new.slots;
        session.queues.clone_from(&new.queues);
        session.labels.clone_from(&new.labels);
        session.isolation.clone_from(&new.isolation);
        session.sequence = new.sequence;
        session.last_heartbeat_at = now;
        session.lease_expires_at = now + delta(new.lost_after);
        let mut registered = Registered::new(id, session.attach);
        let missing = sort_held(&self.held_by(id), new, Process::Same, &mut registered)?;
        registered.released = self.release(&missing.released, now);
        registered.lost = self.lose(&missing.lost, now)?;
        Ok(registered)
    }

    fn supersede(&mut self, old: SessionId, new: &Registration, now: DateTime<Utc>) -> Result<Registered> {
        self.end_session(old, now);
        let mut registered = self.open(new, now);
        let missing = sort_held(&self.held_by(old), new, Process::Gone, &mut registered)?;
        for attempt in registered.kept.clone() {
            let session = registered.session;
            self.change(attempt, |task| task.session == Some(old), |kept| kept.task.session = Some(session));
        }
        registered.lost = self.lose(&missing.lost, now)?;
        Ok(registered)
    }

    fn end_session(&mut self, id: SessionId, now: DateTime<Utc>) {
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.is_open()) {
            session.ended_at = Some(now);
        }
    }

    pub(super) fn renew(
        &mut self,
        coordinator: CoordinatorId,
        heartbeats: &[HeartbeatSeen],
        lost_after: Duration,
        now: DateTime<Utc>,
    ) -> Renewed {
        let mut alive = Vec::new();
        for seen in heartbeats {
            let session = self.sessions.get_mut(&seen.session);
            let Some(session) =
                session.filter(|session| session.is_open() && session.coordinator == coordinator)
            else {
                continue;
            };
            let at = now - delta(seen.ago);
            session.last_heartbeat_at = session.last_heartbeat_at.max(at);
            session.lease_expires_at = session.lease_expires_at.max(at + delta(lost_after));
            session.draining = seen.draining;
            alive.push(seen.session);
        }
        let marked = self.tasks.values().filter(|kept| kept.task.state.is_held());
        let marked = marked.filter(|kept| kept.task.cancel_requested_at.is_some());
        let cancel = marked.filter_map(|kept| {
            let id = kept.task.session?;
            let session = self.sessions.get(&id)?;
            let ours = session.is_open() && session.coordinator == coordinator;
            ours.then_some((id, kept.attempt()))
        });
        Renewed { alive, cancel: cancel.collect() }
    }

    pub(super) fn deregister(&mut self, session: SessionId, now: DateTime<Utc>) -> Result<Vec<Progress>> {
        self.end_session(session, now);
        let held = sort_left(&self.held_by(session))?;
        self.release(&held.released, now);
        self.lose(&held.lost, now)
    }
}
