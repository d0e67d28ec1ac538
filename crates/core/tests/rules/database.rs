//! The steps of the store, each one transaction, over the rules of `protocol`.

use std::collections::HashSet;

use distrack_core::protocol::reconcile::{self, Admission, Fate, Live, Process};
use distrack_core::protocol::record::{Seat, may_fill};
use distrack_core::protocol::report::{Judgement, Said};
use distrack_core::{AttemptRef, Cause, Ended, InstanceId, Outcome};
use uuid::Uuid;

use crate::world::{End, Past, Registered, Session, World, attempt, task_of};

impl World {
    /// `claim`, for one slot.
    pub(crate) fn claim(
        &mut self,
        coordinator: u8,
        attach: i64,
        session: u8,
        task: usize,
    ) -> Option<AttemptRef> {
        let row = &self.sessions[session as usize];
        if !may_fill(&row.seat, row.ended, &Seat { coordinator, attach }) || !self.tasks[task].claim(session)
        {
            return None;
        }
        let attempt = attempt(task, self.tasks[task].epoch);
        self.past.insert(attempt, Past { session, ..Past::default() });
        Some(attempt)
    }

    /// `release`.
    pub(crate) fn release(&mut self, asked: AttemptRef) {
        let task = task_of(asked);
        if !self.tasks[task].release(asked.epoch) {
            return;
        }
        // What was given back, whatever was asked for.
        let past = self.past.entry(attempt(task, self.tasks[task].epoch)).or_default();
        past.released = true;
        if past.ran {
            self.breaks("an attempt was given back that a worker has run (T3)");
        }
    }

    /// Loses an attempt whose session is gone.
    pub(crate) fn lose(&mut self, attempt: AttemptRef) {
        self.tasks[task_of(attempt)].finish(attempt.epoch, Ended::Lost { in_company: false }, 0.0);
    }

    /// `report`, of one item.
    pub(crate) fn report(&mut self, attempt: AttemptRef, end: Option<End>) -> Judgement {
        let task = &mut self.tasks[task_of(attempt)];
        let judgement = task.judge(attempt.epoch, if end.is_some() { Said::Finished } else { Said::Started });
        match (judgement, end) {
            (Judgement::Starts, _) => _ = task.start(attempt.epoch),
            (Judgement::Ends, Some(end)) => {
                let outcome = outcome(end);
                let current = task.epoch;
                // The row is locked: what was judged is what is written.
                let ended = Ended::Reported { outcome: &outcome, began: true };
                if task.finish(current, ended, 0.0).is_none() {
                    self.breaks("a report was judged to end an attempt that is not held");
                }
                self.recorded(attempt, current, end);
            }
            _ => {}
        }
        judgement
    }

    fn recorded(&mut self, attempt: AttemptRef, current: i64, end: End) {
        let past = self.past.entry(attempt).or_default();
        let again = std::mem::replace(&mut past.recorded, true);
        let (other, foreign) = (past.end != Some(end), attempt.epoch != current);
        if again {
            self.breaks("a result was recorded twice (I4)");
        }
        if other {
            self.breaks("a result was recorded that its attempt does not have (I4)");
        }
        if foreign {
            self.breaks("a result of an older epoch was recorded (I8)");
        }
    }

    /// `register`: `None` if it is refused.
    pub(crate) fn register(
        &mut self,
        coordinator: u8,
        worker: u8,
        process: u8,
        sequence: u64,
        held: &[AttemptRef],
    ) -> Option<Registered> {
        let current = self.sessions.iter().position(|session| session.worker == worker && !session.ended);
        let host = format!("host-{worker}");
        let live = current.map(|current| Live {
            instance: instance(self.sessions[current].process),
            host: &host,
            leased: true,
        });
        let mut registered = Registered {
            worker,
            process,
            sequence,
            from: (coordinator, self.coordinators[coordinator as usize].life),
            session: self.sessions.len() as u8,
            attach: 1,
            kept: Vec::new(),
            kill: Vec::new(),
            cancel: Vec::new(),
        };
        match (reconcile::admit(live, instance(process), &host), current) {
            (Admission::Continue, Some(current)) => {
                let row = &mut self.sessions[current];
                if reconcile::is_overtaken(row.sequence, sequence) {
                    return None;
                }
                row.seat = Seat { coordinator, attach: row.seat.attach + 1 };
                row.sequence = sequence;
                (registered.session, registered.attach) = (current as u8, row.seat.attach);
                self.reconcile(current as u8, held, Process::Same, &mut registered);
            }
            (Admission::Open | Admission::Supersede, current) => {
                let seat = Seat { coordinator, attach: 1 };
                if let Some(old) = current {
                    self.sessions[old].ended = true;
                }
                self.sessions.push(Session { worker, process, seat, sequence, ended: false });
                if let Some(old) = current {
                    self.reconcile(old as u8, held, Process::Gone, &mut registered);
                }
            }
            _ => return None,
        }
        registered.kill = reconcile::kill(held, &registered.kept);
        Some(registered)
    }

    fn reconcile(&mut self, session: u8, held: &[AttemptRef], process: Process, into: &mut Registered) {
        let held: HashSet<_> = held.iter().copied().collect();
        for task in 0..self.tasks.len() {
            if self.tasks[task].session != Some(session) {
                continue;
            }
            let attempt = attempt(task, self.tasks[task].epoch);
            match reconcile::fate(self.tasks[task].state, held.contains(&attempt), process) {
                Fate::Keep => {
                    self.tasks[task].session = Some(into.session);
                    into.kept.push(attempt);
                    if self.tasks[task].cancel_requested {
                        into.cancel.push(attempt);
                    }
                }
                Fate::Release => self.release(attempt),
                Fate::Lose => self.lose(attempt),
            }
        }
    }

    /// `deregister`.
    pub(crate) fn deregister(&mut self, session: u8) {
        self.sessions[session as usize].ended = true;
        for task in 0..self.tasks.len() {
            let attempt = attempt(task, self.tasks[task].epoch);
            if self.tasks[task].session == Some(session) {
                match reconcile::fate(self.tasks[task].state, false, Process::Leaving) {
                    Fate::Keep => {}
                    Fate::Release => self.release(attempt),
                    Fate::Lose => self.lose(attempt),
                }
            }
        }
    }
}

/// Processes of one worker, in the order of their starts.
fn instance(process: u8) -> InstanceId {
    InstanceId::from(Uuid::from_u128(u128::from(process)))
}

fn outcome(end: End) -> Outcome {
    match end {
        End::Success => Outcome::success(),
        End::Failure => Outcome::failure(Cause::ExitCode, "exit code 1"),
        End::Cancelled => Outcome::failure(Cause::Cancelled, "cancelled"),
    }
}
