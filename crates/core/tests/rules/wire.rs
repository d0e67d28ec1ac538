//! What each side does with a message that arrives.

use distrack_core::AttemptRef;
use distrack_core::protocol::dispatch::{Answer, Next, replaces};
use distrack_core::protocol::holding::{Decision, Refusal, must_register_anew};

use crate::world::{Attached, Bounds, Message, Registered, Stage, Wish, Word, World, is_stale};

impl World {
    /// A message arrives. One to a process that is dead is lost.
    pub(crate) fn arrive(&mut self, message: Message, bounds: &Bounds) {
        match message {
            Message::Register { worker, process, sequence, to, held } => {
                if self.lives(to)
                    && let Some(registered) = self.register(to.0, worker, process, sequence, &held)
                {
                    self.coordinators[to.0 as usize].attaching.push(registered);
                }
            }
            Message::Registered(registered) => self.hear_registered(registered),
            Message::Dispatch { from, session, attach, attempt, tries } => {
                let word = self.hear_dispatch(session, attach, attempt, bounds.slots);
                self.send(Message::Answer { to: from, attempt, tries, word });
            }
            Message::Answer { to, attempt, tries, word } => self.hear_answer(to, attempt, tries, word),
            Message::Report { worker, process, to, under, attempt, end } => {
                if !self.lives(to) {
                    return;
                }
                if end.is_some() {
                    self.vacate(to.0, under.0, attempt);
                }
                let stale = is_stale(self.report(attempt, end));
                // That a start was recorded changes nothing at the worker.
                if stale || end.is_some() {
                    self.send(Message::Receipt {
                        worker,
                        process,
                        under,
                        attempt,
                        started: end.is_none(),
                        stale,
                    });
                }
            }
            Message::Receipt { worker, process, under, attempt, started, stale } => {
                let here = &mut self.workers[worker as usize];
                if here.process != process || here.gone {
                } else if !started {
                    here.holding.forget(attempt);
                    here.spool.remove(&attempt);
                    here.renews |= must_register_anew(under, here.holding.registration());
                } else if stale && here.holding.running(attempt).is_some() {
                    here.wishes.insert(attempt, Wish::Superseded);
                }
            }
            Message::Deregister { to, session } => {
                if self.lives(to) {
                    self.deregister(session);
                    self.coordinators[to.0 as usize].attached.remove(&session);
                }
            }
        }
    }

    fn hear_registered(&mut self, registered: Registered) {
        let here = &mut self.workers[registered.worker as usize];
        let asked = here.registering && here.process == registered.process && !here.gone;
        if !asked || here.sequence != registered.sequence {
            return;
        }
        for attempt in registered.kill {
            if here.holding.running(attempt).is_some() {
                here.wishes.insert(attempt, Wish::Superseded);
            }
        }
        for attempt in registered.cancel {
            if here.holding.running(attempt).is_some() {
                here.wishes.entry(attempt).or_insert(Wish::Cancelled);
            }
        }
        here.registering = false;
        here.holding.registered((registered.session, registered.attach));
        here.at = Some(registered.from);
    }

    fn hear_dispatch(&mut self, session: u8, attach: i64, attempt: AttemptRef, slots: usize) -> Word {
        let worker = self.sessions[session as usize].worker as usize;
        let here = &mut self.workers[worker];
        if here.gone {
            return Word::NotDelivered;
        }
        match here.holding.check((session, attach)) {
            Err(Refusal::WrongSession) => return Word::NotDelivered,
            Err(Refusal::Registering) => return Word::Registering,
            Ok(()) => {}
        }
        match here.holding.decide(attempt, slots, true) {
            Decision::Known(acceptance) => acceptance.into(),
            Decision::Refused(obstacle) => obstacle.answer().into(),
            Decision::Take(older) => {
                here.wishes.extend(older.into_iter().map(|older| (older, Wish::Superseded)));
                here.holding.take(attempt, ());
                let past = self.past.entry(attempt).or_default();
                let again = std::mem::replace(&mut past.ran, true);
                let released = past.released;
                if again {
                    self.breaks("an attempt was started twice (I5)");
                }
                if released {
                    self.breaks("an attempt was started that had been given back (T3)");
                }
                Word::Accepted
            }
        }
    }

    fn hear_answer(&mut self, to: (u8, u8), attempt: AttemptRef, tries: u32, word: Word) {
        if !self.lives(to) {
            return;
        }
        let here = &mut self.coordinators[to.0 as usize];
        let waits = here.deliveries.iter().position(|delivery| {
            (delivery.attempt, delivery.stage) == (attempt, Stage::Waiting)
                && delivery.sending.tries() == tries
        });
        let Some(at) = waits else { return };
        let answer = match word {
            Word::Accepted | Word::Refused => Answer::Accepted,
            Word::NotDelivered => Answer::NotDelivered,
            Word::Registering => Answer::Later,
        };
        let next = here.deliveries[at].sending.hear(answer);
        match next {
            Next::Settled if word == Word::Refused => self.follow(to.0, at, Next::GiveBack),
            _ => self.follow(to.0, at, next),
        }
    }

    /// Does what was decided about a delivery.
    pub(crate) fn follow(&mut self, coordinator: u8, at: usize, next: Next) {
        let here = &mut self.coordinators[coordinator as usize];
        let (session, attach) = (here.deliveries[at].session, here.deliveries[at].attach);
        let attempt = here.deliveries[at].attempt;
        match next {
            Next::Later | Next::Again => here.deliveries[at].stage = Stage::Ready,
            Next::GiveBack => {
                here.deliveries[at].stage = Stage::GivingBack;
                self.vacate(coordinator, session, attempt);
            }
            Next::Settled | Next::Leave | Next::Separate => _ = here.deliveries.remove(at),
            Next::Renounce => {
                here.deliveries.remove(at);
                self.detach(coordinator, session, attach);
            }
        }
    }

    /// A registration takes its place in the coordinator's memory, and is answered.
    pub(crate) fn attach(&mut self, coordinator: u8, at: usize) {
        let here = &mut self.coordinators[coordinator as usize];
        let registered = here.attaching.remove(at);
        let earlier = here.attached.get(&registered.session).map(|earlier| earlier.attach);
        if replaces(earlier, registered.attach) {
            let held = registered.kept.iter().copied().collect();
            here.attached.insert(registered.session, Attached { attach: registered.attach, held });
        }
        self.send(Message::Registered(registered));
    }

    /// Forgets a registration, if it is still the attached one.
    pub(crate) fn detach(&mut self, coordinator: u8, session: u8, attach: i64) {
        let attached = &mut self.coordinators[coordinator as usize].attached;
        if attached.get(&session).is_some_and(|attached| attached.attach == attach) {
            attached.remove(&session);
        }
    }

    fn vacate(&mut self, coordinator: u8, session: u8, attempt: AttemptRef) {
        if let Some(attached) = self.coordinators[coordinator as usize].attached.get_mut(&session) {
            attached.held.remove(&attempt);
        }
    }
}
