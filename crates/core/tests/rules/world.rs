//! A small fleet as one value: the database, coordinators, workers, and the messages under way.

use std::collections::{BTreeMap, BTreeSet};

use distrack_core::protocol::dispatch::{Acceptance, Sending};
use distrack_core::protocol::holding::Holding;
use distrack_core::protocol::record::{Record, Seat};
use distrack_core::protocol::report::Judgement;
use distrack_core::{AttemptRef, RetryPolicy, TaskId};
use uuid::Uuid;

/// How large the fleet is and what may go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) coordinators: u8,
    pub(crate) workers: u8,
    pub(crate) tasks: u8,
    pub(crate) slots: usize,
    pub(crate) policy: RetryPolicy,
    /// Faults and wishes of a user, of any kind, in one history.
    pub(crate) faults: u8,
    /// Histories with more claims of one task are not followed further.
    pub(crate) epochs: i64,
    /// Whether workers say that a command runs before they say how it ended.
    pub(crate) starts_told: bool,
    /// Whether a second task is a user's retry of the first instead of there from the beginning.
    pub(crate) retried: bool,
    /// Whether tasks have a deadline to start.
    pub(crate) deadlines: bool,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    Success,
    Failure,
    Cancelled,
}

/// A wish that a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Wish {
    Cancelled,
    Superseded,
}

/// The answer to a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Word {
    Accepted,
    Refused,
    NotDelivered,
    Registering,
}

impl From<Acceptance> for Word {
    fn from(acceptance: Acceptance) -> Self {
        if acceptance.gives_back() { Self::Refused } else { Self::Accepted }
    }
}

/// One process of a coordinator.
pub(crate) type Life = (u8, u8);

/// A message under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Message {
    Register { worker: u8, process: u8, sequence: u64, to: Life, held: Vec<AttemptRef> },
    Registered(Registered),
    Dispatch { from: Life, session: u8, attach: i64, attempt: AttemptRef, tries: u32 },
    Answer { to: Life, attempt: AttemptRef, tries: u32, word: Word },
    Report { worker: u8, process: u8, to: Life, under: (u8, i64), attempt: AttemptRef, end: Option<End> },
    Receipt { worker: u8, process: u8, under: (u8, i64), attempt: AttemptRef, started: bool, stale: bool },
    Deregister { to: Life, session: u8 },
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Registered {
    pub(crate) worker: u8,
    pub(crate) process: u8,
    pub(crate) sequence: u64,
    pub(crate) from: Life,
    pub(crate) session: u8,
    pub(crate) attach: i64,
    pub(crate) kept: Vec<AttemptRef>,
    pub(crate) kill: Vec<AttemptRef>,
    pub(crate) cancel: Vec<AttemptRef>,
}

/// A session, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) worker: u8,
    pub(crate) process: u8,
    pub(crate) seat: Seat<u8>,
    pub(crate) sequence: u64,
    pub(crate) ended: bool,
}

/// A worker as a coordinator has it attached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attached {
    pub(crate) attach: i64,
    pub(crate) held: BTreeSet<AttemptRef>,
}

/// Where an attempt on its way stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    Claimed,
    Ready,
    Waiting,
    GivingBack,
}

/// An attempt on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Delivery {
    pub(crate) session: u8,
    pub(crate) attach: i64,
    pub(crate) attempt: AttemptRef,
    pub(crate) sending: Sending,
    pub(crate) stage: Stage,
}

/// A coordinator's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Coordinator {
    pub(crate) life: u8,
    pub(crate) attached: BTreeMap<u8, Attached>,
    pub(crate) deliveries: Vec<Delivery>,
    /// Registrations that are committed and not attached yet.
    pub(crate) attaching: Vec<Registered>,
}

/// A worker's memory, and its spool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    pub(crate) process: u8,
    pub(crate) gone: bool,
    pub(crate) holding: Holding<(u8, i64), ()>,
    pub(crate) wishes: BTreeMap<AttemptRef, Wish>,
    pub(crate) told: BTreeSet<AttemptRef>,
    /// Results in the spool: they survive the process.
    pub(crate) spool: BTreeMap<AttemptRef, End>,
    pub(crate) sequence: u64,
    pub(crate) registering: bool,
    /// Whether the last registration said something that is no longer true.
    pub(crate) renews: bool,
    pub(crate) at: Option<Life>,
}

/// What has happened to an attempt: for the promises alone, nobody in the fleet looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    pub(crate) session: u8,
    pub(crate) ran: bool,
    pub(crate) released: bool,
    pub(crate) end: Option<End>,
    pub(crate) recorded: bool,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tasks: Vec<Record<u8>>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) network: Vec<Message>,
    pub(crate) past: BTreeMap<AttemptRef, Past>,
    pub(crate) faults: u8,
    /// What a step has broken.
    pub(crate) broken: Option<&'static str>,
}

/// The attempt of a task by its number.
pub(crate) fn attempt(task: usize, epoch: i64) -> AttemptRef {
    AttemptRef { task: TaskId::from(Uuid::from_u128(task as u128)), epoch }
}

/// The number of an attempt's task.
pub(crate) fn task_of(attempt: AttemptRef) -> usize {
    attempt.task.as_uuid().as_u128() as usize
}

impl World {
    /// Worker `n` is attached to coordinator `n`, as far as there are so many; the rest to the first one.
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let tasks = if bounds.retried { 1 } else { bounds.tasks };
        let mut world = Self {
            tasks: (0..tasks).map(|_| Record::new(bounds.policy)).collect(),
            sessions: Vec::new(),
            coordinators: (0..bounds.coordinators).map(|_| Coordinator::default()).collect(),
            workers: (0..bounds.workers).map(|_| Worker::default()).collect(),
            network: Vec::new(),
            past: BTreeMap::new(),
            faults: bounds.faults,
            broken: None,
        };
        for worker in 0..bounds.workers {
            let coordinator = worker % bounds.coordinators;
            let seat = Seat { coordinator, attach: 1 };
            world.sessions.push(Session { worker, process: 0, seat, sequence: 1, ended: false });
            let attached = Attached { attach: 1, held: BTreeSet::new() };
            world.coordinators[coordinator as usize].attached.insert(worker, attached);
            let here = &mut world.workers[worker as usize];
            here.holding.registered((worker, 1));
            here.at = Some((coordinator, 0));
            here.sequence = 1;
        }
        world
    }

    /// Puts a message under way. The order of the network means nothing.
    pub(crate) fn send(&mut self, message: Message) {
        if !self.is_heard(&message) {
            return;
        }
        let at = self.network.binary_search(&message).unwrap_or_else(|at| at);
        self.network.insert(at, message);
    }

    /// Removes messages that nobody will hear: fewer states, and the same histories.
    pub(crate) fn forget_the_dead(&mut self) {
        let network = std::mem::take(&mut self.network);
        self.network = network.into_iter().filter(|message| self.is_heard(message)).collect();
    }

    fn is_heard(&self, message: &Message) -> bool {
        match message {
            Message::Register { to, .. }
            | Message::Answer { to, .. }
            | Message::Report { to, .. }
            | Message::Deregister { to, .. } => self.lives(*to),
            Message::Registered(answer) => {
                let here = &self.workers[answer.worker as usize];
                (here.process, here.sequence) == (answer.process, answer.sequence) && here.registering
            }
            Message::Receipt { worker, process, .. } => self.workers[*worker as usize].process == *process,
            Message::Dispatch { .. } => true,
        }
    }

    /// A step has broken a promise.
    pub(crate) fn breaks(&mut self, promise: &'static str) {
        self.broken.get_or_insert(promise);
    }

    /// Whether a coordinator is still the process that it was.
    pub(crate) fn lives(&self, life: Life) -> bool {
        self.coordinators[life.0 as usize].life == life.1
    }
}

/// Whether the receipt of a judgement says that nobody wants the attempt.
pub(crate) fn is_stale(judgement: Judgement) -> bool {
    judgement == Judgement::Stale
}
