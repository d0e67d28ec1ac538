//! Everything that can happen next, and what it does.
//!
//! A step is free or costs one of the faults: what the fleet does by itself, and what follows when a message is
//! certainly lost, is free; losses, copies, crashes, time that runs out early, and wishes of a user are not.

use distrack_core::protocol::dispatch::{Answer, free};
use distrack_core::protocol::record::{Cancelled, Seat};
use distrack_core::{AttemptRef, TaskState};

use crate::world::{Bounds, Delivery, End, Message, Stage, Wish, Worker, World, attempt, task_of};

/// A step, with the numbers of those who take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Arrives { message: usize },
    ArrivesAndIsCopied { message: usize },
    IsDropped { message: usize },
    CoordinatorClaims { coordinator: u8, task: usize, session: u8 },
    CoordinatorClaimsAndHearsNoAnswer { coordinator: u8, task: usize, session: u8 },
    CoordinatorSends { coordinator: u8, delivery: usize },
    CoordinatorWaitsNoLonger { coordinator: u8, delivery: usize },
    CoordinatorGivesBack { coordinator: u8, delivery: usize },
    CoordinatorAttaches { coordinator: u8, registration: usize },
    CoordinatorRenewsAndFindsItEnded { coordinator: u8, session: u8 },
    CoordinatorTellsCancels { coordinator: u8, session: u8 },
    CoordinatorCrashes { coordinator: u8 },
    LeaseRunsOut { session: u8 },
    SweepLoses { task: usize },
    WorkerRegisters { worker: u8, coordinator: u8 },
    WorkerSaysStarted { worker: u8, task: usize, epoch: i64 },
    CommandEnds { worker: u8, task: usize, epoch: i64, end: End },
    WorkerReports { worker: u8, task: usize, epoch: i64 },
    WorkerCrashesAndRestarts { worker: u8 },
    WorkerDrains { worker: u8 },
    WorkerLeaves { worker: u8 },
    UserCancels { task: usize },
    UserRetries { task: usize },
    DeadlinePasses { task: usize },
}

impl World {
    /// What can happen next, each with whether it costs a fault.
    pub(crate) fn steps(&self, bounds: &Bounds) -> Vec<(Step, bool)> {
        let mut steps = Vec::new();
        for (message, content) in self.network.iter().enumerate() {
            if message > 0 && self.network[message - 1] == *content {
                continue;
            }
            steps.push((Step::Arrives { message }, false));
            if may_be_copied(content) {
                steps.push((Step::ArrivesAndIsCopied { message }, true));
            }
            steps.push((Step::IsDropped { message }, true));
        }
        (0..bounds.coordinators)
            .for_each(|coordinator| self.coordinator_steps(coordinator, bounds, &mut steps));
        (0..bounds.workers).for_each(|worker| self.worker_steps(worker, bounds, &mut steps));
        self.other_steps(bounds, &mut steps);
        steps.retain(|(_, fault)| !fault || self.faults > 0);
        steps
    }

    fn coordinator_steps(&self, coordinator: u8, bounds: &Bounds, steps: &mut Vec<(Step, bool)>) {
        let here = &self.coordinators[coordinator as usize];
        let claimed = here.deliveries.iter().any(|delivery| delivery.stage == Stage::Claimed);
        for (&session, attached) in &here.attached {
            let row = &self.sessions[session as usize];
            let live = !row.ended && row.seat == (Seat { coordinator, attach: attached.attach });
            if !live && (row.ended || row.seat.coordinator != coordinator) {
                steps.push((Step::CoordinatorRenewsAndFindsItEnded { coordinator, session }, false));
            }
            if claimed || free(bounds.slots, attached.held.len()) == 0 {
                continue;
            }
            for task in (0..self.tasks.len()).filter(|task| self.tasks[*task].state == TaskState::Pending) {
                steps.push((Step::CoordinatorClaims { coordinator, task, session }, false));
                steps.push((Step::CoordinatorClaimsAndHearsNoAnswer { coordinator, task, session }, true));
            }
            if self.untold(coordinator, session).next().is_some() {
                steps.push((Step::CoordinatorTellsCancels { coordinator, session }, false));
            }
        }
        for (at, delivery) in here.deliveries.iter().enumerate() {
            match delivery.stage {
                Stage::Claimed | Stage::Ready => {
                    steps.push((Step::CoordinatorSends { coordinator, delivery: at }, false));
                }
                Stage::Waiting => {
                    let early = self.network.iter().any(|message| concerns(message, coordinator, delivery));
                    steps.push((Step::CoordinatorWaitsNoLonger { coordinator, delivery: at }, early));
                }
                Stage::GivingBack => {
                    steps.push((Step::CoordinatorGivesBack { coordinator, delivery: at }, false));
                }
            }
        }
        for registration in 0..here.attaching.len() {
            steps.push((Step::CoordinatorAttaches { coordinator, registration }, false));
        }
        steps.push((Step::CoordinatorCrashes { coordinator }, true));
    }

    fn worker_steps(&self, worker: u8, bounds: &Bounds, steps: &mut Vec<(Step, bool)>) {
        let here = &self.workers[worker as usize];
        steps.push((Step::WorkerCrashesAndRestarts { worker }, !here.gone));
        if here.gone {
            return;
        }
        let forced = self.must_register(worker);
        for coordinator in 0..bounds.coordinators {
            steps.push((Step::WorkerRegisters { worker, coordinator }, !forced));
        }
        for &of in here.holding.held().keys() {
            let (task, epoch) = (task_of(of), of.epoch);
            if here.holding.running(of).is_none() {
                let free_to_report = here.at.is_some() && !self.is_reported(worker, of);
                if free_to_report {
                    steps.push((Step::WorkerReports { worker, task, epoch }, false));
                }
                continue;
            }
            if bounds.starts_told && here.at.is_some() && !here.told.contains(&of) {
                steps.push((Step::WorkerSaysStarted { worker, task, epoch }, false));
            }
            steps.push((Step::CommandEnds { worker, task, epoch, end: End::Success }, false));
            if !here.wishes.contains_key(&of) {
                steps.push((Step::CommandEnds { worker, task, epoch, end: End::Failure }, true));
            }
        }
        if !here.holding.is_draining() {
            steps.push((Step::WorkerDrains { worker }, true));
        } else if here.holding.held().is_empty() && here.at.is_some() {
            steps.push((Step::WorkerLeaves { worker }, false));
        }
    }

    fn other_steps(&self, bounds: &Bounds, steps: &mut Vec<(Step, bool)>) {
        for (session, row) in self.sessions.iter().enumerate().filter(|(_, row)| !row.ended) {
            let here = &self.workers[row.worker as usize];
            let another = here.holding.registration().is_some_and(|(own, _)| own as usize != session);
            // Nobody renews it any more.
            let dead = here.process != row.process || here.gone || another;
            steps.push((Step::LeaseRunsOut { session: session as u8 }, !dead));
        }
        for (task, record) in self.tasks.iter().enumerate() {
            if record.session.is_some_and(|session| self.sessions[session as usize].ended) {
                steps.push((Step::SweepLoses { task }, false));
            }
            if !record.state.is_terminal() && !record.cancel_requested {
                steps.push((Step::UserCancels { task }, true));
            }
            if bounds.deadlines && record.state == TaskState::Pending {
                steps.push((Step::DeadlinePasses { task }, true));
            }
        }
        if bounds.retried && self.tasks.len() == 1 && self.tasks[0].state.is_terminal() {
            steps.push((Step::UserRetries { task: 0 }, false));
        }
    }

    /// The world after a step.
    pub(crate) fn after(&self, step: Step, costs: bool, bounds: &Bounds) -> Self {
        let mut world = self.clone();
        world.faults -= u8::from(costs);
        world.take(step, bounds);
        world
    }

    fn take(&mut self, step: Step, bounds: &Bounds) {
        match step {
            Step::Arrives { message } => {
                let message = self.network.remove(message);
                self.arrive(message, bounds);
            }
            Step::ArrivesAndIsCopied { message } => self.arrive(self.network[message].clone(), bounds),
            Step::IsDropped { message } => _ = self.network.remove(message),
            Step::CoordinatorClaims { coordinator, task, session } => {
                let attach = self.coordinators[coordinator as usize].attached[&session].attach;
                if let Some(attempt) = self.claim(coordinator, attach, session, task) {
                    self.coordinators[coordinator as usize].deliveries.push(Delivery {
                        session,
                        attach,
                        attempt,
                        sending: Default::default(),
                        stage: Stage::Claimed,
                    });
                }
            }
            Step::CoordinatorClaimsAndHearsNoAnswer { coordinator, task, session } => {
                let attach = self.coordinators[coordinator as usize].attached[&session].attach;
                self.claim(coordinator, attach, session, task);
                self.detach(coordinator, session, attach);
            }
            Step::CoordinatorSends { coordinator, delivery } => self.dispatch(coordinator, delivery),
            Step::CoordinatorWaitsNoLonger { coordinator, delivery } => {
                let here = &mut self.coordinators[coordinator as usize];
                let next = here.deliveries[delivery].sending.hear(Answer::Silent);
                self.follow(coordinator, delivery, next);
            }
            Step::CoordinatorGivesBack { coordinator, delivery } => {
                let given = self.coordinators[coordinator as usize].deliveries.remove(delivery);
                self.release(given.attempt);
            }
            Step::CoordinatorAttaches { coordinator, registration } => self.attach(coordinator, registration),
            Step::CoordinatorRenewsAndFindsItEnded { coordinator, session } => {
                self.coordinators[coordinator as usize].attached.remove(&session);
            }
            Step::CoordinatorTellsCancels { coordinator, session } => {
                let untold: Vec<_> = self.untold(coordinator, session).collect();
                let worker = self.sessions[session as usize].worker as usize;
                self.workers[worker].wishes.extend(untold.into_iter().map(|of| (of, Wish::Cancelled)));
            }
            Step::CoordinatorCrashes { coordinator } => {
                let here = &mut self.coordinators[coordinator as usize];
                *here = crate::world::Coordinator { life: here.life + 1, ..Default::default() };
                self.forget_the_dead();
            }
            Step::LeaseRunsOut { session } => self.sessions[session as usize].ended = true,
            Step::SweepLoses { task } => self.lose(attempt(task, self.tasks[task].epoch)),
            Step::UserCancels { task } => {
                let was = self.tasks[task].state;
                if self.tasks[task].cancel() == Cancelled::TooLate || was.is_terminal() {
                    self.breaks("a cancel changed a terminal state (I3)");
                }
            }
            Step::UserRetries { task } => {
                self.tasks.push(distrack_core::protocol::record::Record::new(self.tasks[task].policy));
            }
            Step::DeadlinePasses { task } => _ = self.tasks[task].expire(),
            Step::WorkerRegisters { .. }
            | Step::WorkerSaysStarted { .. }
            | Step::CommandEnds { .. }
            | Step::WorkerReports { .. }
            | Step::WorkerCrashesAndRestarts { .. }
            | Step::WorkerDrains { .. }
            | Step::WorkerLeaves { .. } => self.worker_takes(step),
        }
    }

    fn worker_takes(&mut self, step: Step) {
        match step {
            Step::WorkerRegisters { worker, coordinator } => {
                let to = (coordinator, self.coordinators[coordinator as usize].life);
                let here = &mut self.workers[worker as usize];
                here.sequence += 1;
                (here.registering, here.renews, here.at) = (true, false, None);
                let held = here.holding.begin_registration();
                let (process, sequence) = (here.process, here.sequence);
                self.forget_the_dead();
                self.send(Message::Register { worker, process, sequence, to, held });
            }
            Step::WorkerSaysStarted { worker, task, epoch } => {
                self.workers[worker as usize].told.insert(attempt(task, epoch));
                self.say(worker, attempt(task, epoch), None);
            }
            Step::CommandEnds { worker, task, epoch, end } => {
                let of = attempt(task, epoch);
                let here = &mut self.workers[worker as usize];
                let wish = here.wishes.remove(&of);
                here.told.remove(&of);
                if wish == Some(Wish::Superseded) {
                    return here.holding.forget(of);
                }
                let end = if wish == Some(Wish::Cancelled) { End::Cancelled } else { end };
                here.spool.insert(of, end);
                here.holding.ended(of);
                self.past.entry(of).or_default().end = Some(end);
            }
            Step::WorkerReports { worker, task, epoch } => {
                let end = self.workers[worker as usize].spool.get(&attempt(task, epoch)).copied();
                self.say(worker, attempt(task, epoch), end);
            }
            Step::WorkerCrashesAndRestarts { worker } => {
                let here = &mut self.workers[worker as usize];
                let (process, spool) = (here.process + 1, std::mem::take(&mut here.spool));
                *here = Worker { process, ..Worker::default() };
                here.holding.restore(spool.keys().copied());
                here.spool = spool;
                self.forget_the_dead();
            }
            Step::WorkerDrains { worker } => self.workers[worker as usize].holding.drain(),
            Step::WorkerLeaves { worker } => {
                let here = &mut self.workers[worker as usize];
                here.gone = true;
                let (to, session) = (here.at.take(), here.holding.registration());
                here.holding.begin_registration();
                if let (Some(to), Some((session, _))) = (to, session) {
                    self.send(Message::Deregister { to, session });
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, worker: u8, of: AttemptRef, end: Option<End>) {
        let here = &self.workers[worker as usize];
        let (process, registration) = (here.process, here.holding.registration());
        if let (Some(to), Some(under)) = (here.at, registration) {
            self.send(Message::Report { worker, process, to, under, attempt: of, end });
        }
    }

    fn dispatch(&mut self, coordinator: u8, at: usize) {
        let here = &mut self.coordinators[coordinator as usize];
        let from = (coordinator, here.life);
        let delivery = &mut here.deliveries[at];
        let (session, attach, of) = (delivery.session, delivery.attach, delivery.attempt);
        let current = here.attached.get_mut(&session).filter(|attached| attached.attach == attach);
        let Some(attached) = current else {
            let next = delivery.sending.break_off();
            return self.follow(coordinator, at, next);
        };
        if delivery.stage == Stage::Claimed {
            attached.held.insert(of);
        }
        delivery.stage = Stage::Waiting;
        let tries = delivery.sending.tries();
        self.send(Message::Dispatch { from, session, attach, attempt: of, tries });
    }

    /// Attempts that the worker of a session runs, is to stop, and has not heard of.
    fn untold(&self, coordinator: u8, session: u8) -> impl Iterator<Item = AttemptRef> {
        let here = &self.workers[self.sessions[session as usize].worker as usize];
        let attach = self.coordinators[coordinator as usize].attached.get(&session).map(|at| at.attach);
        let reached =
            attach.is_some() && here.holding.registration() == attach.map(|attach| (session, attach));
        let marked =
            self.tasks.iter().enumerate().filter(move |(_, record)| {
                reached && record.cancel_requested && record.session == Some(session)
            });
        marked
            .map(|(task, record)| attempt(task, record.epoch))
            .filter(|of| here.holding.running(*of).is_some() && !here.wishes.contains_key(of))
    }

    /// Whether a worker has no registration that holds, and nothing under way that could give it one.
    fn must_register(&self, worker: u8) -> bool {
        let here = &self.workers[worker as usize];
        let Some((session, attach)) = here.holding.registration() else {
            let asks = |message: &Message| match message {
                Message::Register { worker: own, process, sequence, to, .. } => {
                    (*own, *process, *sequence) == (worker, here.process, here.sequence) && self.lives(*to)
                }
                Message::Registered(answer) => {
                    (answer.worker, answer.process, answer.sequence) == (worker, here.process, here.sequence)
                }
                _ => false,
            };
            let attaching = self.coordinators.iter().flat_map(|coordinator| &coordinator.attaching);
            let soon = attaching.into_iter().any(|answer| {
                (answer.worker, answer.process, answer.sequence) == (worker, here.process, here.sequence)
            });
            return !here.registering || !(soon || self.network.iter().any(asks));
        };
        let Some(at) = here.at else { return true };
        if here.renews {
            return true;
        }
        let known = self.coordinators[at.0 as usize].attached.get(&session);
        !self.lives(at) || known.is_none_or(|attached| attached.attach != attach)
    }

    /// Whether a result is on its way, or its receipt is.
    fn is_reported(&self, worker: u8, of: AttemptRef) -> bool {
        let process = self.workers[worker as usize].process;
        self.network.iter().any(|message| match message {
            Message::Report { worker: by, process: of_process, attempt, end: Some(_), to, .. } => {
                (*by, *of_process, *attempt) == (worker, process, of) && self.lives(*to)
            }
            Message::Receipt { worker: by, process: of_process, attempt, started: false, .. } => {
                (*by, *of_process, *attempt) == (worker, process, of)
            }
            _ => false,
        })
    }
}

/// An assignment is copied by its coordinator alone, which sends it again when it hears nothing: one call is executed
/// once. What workers call may be repeated by whatever stands between.
fn may_be_copied(message: &Message) -> bool {
    matches!(message, Message::Register { .. } | Message::Report { .. } | Message::Deregister { .. })
}

fn concerns(message: &Message, coordinator: u8, delivery: &Delivery) -> bool {
    match message {
        Message::Dispatch { from, attempt, tries, .. } => {
            from.0 == coordinator && *attempt == delivery.attempt && *tries == delivery.sending.tries()
        }
        Message::Answer { to, attempt, tries, .. } => {
            to.0 == coordinator && *attempt == delivery.attempt && *tries == delivery.sending.tries()
        }
        _ => false,
    }
}
