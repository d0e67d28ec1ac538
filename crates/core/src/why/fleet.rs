//! Which workers could run a waiting task, and what is missing when none can.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::words::{self, span};
use super::{Code, Facts, Reason, Serving};

/// How long after a coordinator could end it a session may still be open: coordinators look every second.
const SWEPT_WITHIN: TimeDelta = TimeDelta::seconds(5);

impl Serving {
    /// Whether its lease has not run out.
    pub(super) fn is_live(&self, now: DateTime<Utc>) -> bool {
        !self.ended && self.lease_expires_at > now
    }

    /// Whether it has missed heartbeats: half of its lease is over, three beats by default. How often it is to beat is
    /// its coordinator's setting, which is not stored.
    pub(super) fn is_late(&self, now: DateTime<Utc>) -> bool {
        now > self.last_heartbeat_at + self.lease() / 2
    }

    /// How long it may be silent.
    pub(super) fn lease(&self) -> TimeDelta {
        self.lease_expires_at - self.last_heartbeat_at
    }

    /// Whether its lease ran out and nobody ended it, although every coordinator would: one that has just started, or
    /// that finds the database again, waits for as long as a lease first.
    pub(super) fn is_forgotten(&self, now: DateTime<Utc>) -> bool {
        !self.ended && self.lease_expires_at + self.lease() + SWEPT_WITHIN <= now
    }

    fn serves(&self, facts: &Facts) -> bool {
        self.queues.as_ref().is_none_or(|queues| queues.contains(&facts.task.queue))
    }

    fn has(&self, (key, value): (&String, &String)) -> bool {
        self.labels.get(key) == Some(value)
    }
}

/// The slots that a task could have.
pub(super) struct Slots {
    /// Those that are free.
    pub(super) free: u32,
    /// All of them.
    all: u32,
    /// How many workers have them.
    workers: usize,
    /// Whether these are all that serve its queue.
    all_of_queue: bool,
    /// Whether other queues have them too.
    pub(super) shared: bool,
    /// The last heartbeat of any of them.
    pub(super) last_heartbeat: DateTime<Utc>,
    /// When the newest of what they hold was claimed.
    pub(super) last_claim: Option<DateTime<Utc>>,
    /// The worker, when there is one only.
    only: Option<String>,
    /// How long the command that has run longest in them has.
    oldest: Option<Duration>,
}

/// The slots that the task could have, or why it could have none whatever ends.
pub(super) fn slots(facts: &Facts) -> Result<Slots, Box<Reason>> {
    let now = facts.now;
    let live: Vec<_> = facts.sessions.iter().filter(|session| session.is_live(now)).collect();
    if live.is_empty() {
        return Err(nobody(facts).into());
    }
    let serving: Vec<_> = live.iter().copied().filter(|session| session.serves(facts)).collect();
    if serving.is_empty() {
        return Err(not_the_queue(facts, live.len()).into());
    }
    let able = |session: &&Serving| facts.task.requires.iter().all(|label| session.has(label));
    let able: Vec<_> = serving.iter().copied().filter(able).collect();
    if able.is_empty() {
        return Err(not_the_labels(facts, &serving).into());
    }
    let taking: Vec<_> = able.iter().copied().filter(|session| !session.draining).collect();
    if taking.is_empty() {
        return Err(draining(&able).into());
    }
    let heard: Vec<_> = taking.iter().copied().filter(|session| !session.is_late(now)).collect();
    if heard.is_empty() {
        return Err(late(facts, &taking).into());
    }
    let oldest = heard.iter().filter_map(|session| session.oldest_started_at).min();
    let others = |session: &&Serving| session.queues.as_ref().is_none_or(|queues| queues.len() > 1);
    Ok(Slots {
        all_of_queue: heard.len() == serving.len(),
        shared: heard.iter().any(others),
        last_heartbeat: heard.iter().map(|session| session.last_heartbeat_at).max().unwrap_or(now),
        last_claim: heard.iter().filter_map(|session| session.newest_picked_at).max(),
        free: heard.iter().map(|session| session.slots.saturating_sub(session.held)).sum(),
        all: heard.iter().map(|session| session.slots).sum(),
        workers: heard.len(),
        only: if let [only] = heard.as_slice() { Some(only.name.clone()) } else { None },
        oldest: oldest.map(|at| facts.since(at)),
    })
}

fn nobody(facts: &Facts) -> Reason {
    let open: Vec<_> = facts.sessions.iter().filter(|session| !session.ended).collect();
    let last = open.iter().map(|session| session.lease_expires_at).max();
    if let Some(last) = last.filter(|_| open.iter().all(|session| session.is_forgotten(facts.now))) {
        let whose = match open.as_slice() {
            [only] => format!("the lease of {}, the only worker,", only.name),
            all => format!("the leases of all {} workers", all.len()),
        };
        let ago = facts.since(last);
        let text = format!(
            "no coordinator seems to run: {whose} ran out {} ago, and nobody has ended what is lost",
            span(ago)
        );
        let reason = Reason::new(Code::NoCoordinator, text).lasts(ago).workers(open.len());
        return reason.change("start a coordinator: distrack coordinator");
    }
    let lost = lost(facts, |_| true);
    Reason::new(Code::NoWorker, format!("no worker is alive{}", lost.unwrap_or_default()))
        .workers(0)
        .change("start a worker: distrack worker")
}

/// "; w2 was lost 40 s ago": the one that was lost last.
fn lost(facts: &Facts, of: impl Fn(&Serving) -> bool) -> Option<String> {
    let gone = facts.sessions.iter().filter(|session| !session.is_live(facts.now) && of(session));
    let last = gone.max_by_key(|session| session.lease_expires_at)?;
    // A session that ended in another way than by its lease was open to its end.
    let ago = facts.since(last.lease_expires_at.min(facts.now));
    Some(format!("; {} was lost {} ago", last.name, span(ago)))
}

fn not_the_queue(facts: &Facts, others: usize) -> Reason {
    let queue = &facts.task.queue;
    let lost = lost(facts, |session| session.serves(facts)).unwrap_or_default();
    let others =
        words::count(u32::try_from(others).unwrap_or(u32::MAX), "live worker serves", "live workers serve");
    let text = format!("no live worker serves queue {queue}; {others} other queues{lost}");
    Reason::new(Code::NoWorkerForQueue, text)
        .workers(0)
        .change(format!("start a worker with --queues={queue}"))
}

fn not_the_labels(facts: &Facts, serving: &[&Serving]) -> Reason {
    let (task, queue) = (&facts.task, &facts.task.queue);
    let nowhere = |label: &(&String, &String)| !serving.iter().any(|session| session.has(*label));
    let missing: BTreeMap<_, _> = task.requires.iter().filter(nowhere).map(owned).collect();
    let (missing, how) = match missing.is_empty() {
        // Each is somewhere, and nowhere are they together.
        true => (task.requires.clone(), " together"),
        false => (missing, ""),
    };
    let listed = |between: &str| {
        let labels = missing.iter().map(|(key, value)| format!("{key}={value}"));
        labels.collect::<Vec<_>>().join(between)
    };
    let noun = if missing.len() == 1 { "label" } else { "labels" };
    let others = words::count(u32::try_from(serving.len()).unwrap_or(u32::MAX), "serves", "serve");
    let had_them =
        |session: &Serving| session.serves(facts) && task.requires.iter().all(|label| session.has(label));
    let lost = lost(facts, had_them).unwrap_or_default();
    let text =
        format!("no live worker has {noun} {}{how}; {others} queue {queue} without{lost}", listed(" and "));
    let change = format!("start a worker with --labels={}", listed(","));
    let reason = Reason::new(Code::NoWorkerWithLabels, text).workers(serving.len()).change(change);
    Reason { requires: missing, ..reason }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn draining(able: &[&Serving]) -> Reason {
    let text = match able {
        [only] => format!("the only worker that could run it, {}, is draining", only.name),
        all => format!("the only {} workers that could run it are draining", all.len()),
    };
    Reason::new(Code::OnlyDraining, text).workers(able.len()).change("start another worker")
}

fn late(facts: &Facts, taking: &[&Serving]) -> Reason {
    let last = taking.iter().max_by_key(|session| session.last_heartbeat_at);
    let heard = last.map(|last| facts.since(last.last_heartbeat_at)).unwrap_or_default();
    let text = match taking {
        [only] => {
            format!("the only worker that could run it, {}, was last heard {} ago", only.name, span(heard))
        }
        all => format!("the {} workers that could run it were last heard {} ago", all.len(), span(heard)),
    };
    let reason = Reason::new(Code::WorkersLate, text).lasts(heard).workers(taking.len());
    reason.change("a heartbeat; if all workers fell silent at once, look at their coordinator")
}

impl Slots {
    /// That every one of them is taken.
    pub(super) fn busy(&self, facts: &Facts) -> Reason {
        let serve = match &self.only {
            Some(only) => format!("{only}, the only worker that could run it,"),
            None if self.all_of_queue => {
                format!("the {} workers that serve queue {}", self.workers, facts.task.queue)
            }
            None => format!("the {} workers that could run it", self.workers),
        };
        let oldest = self.oldest.map(span);
        let text = match (self.all, oldest) {
            (1, None) => format!("the only slot of {serve} is busy"),
            (1, Some(oldest)) => format!("the only slot of {serve} has been busy for {oldest}"),
            (all, None) => format!("all {all} slots of {serve} are busy"),
            (all, Some(oldest)) => format!("all {all} slots of {serve} are busy, the oldest for {oldest}"),
        };
        let reason = Reason::new(Code::SlotsBusy, text).slots(self.all).workers(self.workers);
        let reason = reason.change("the end of a command, another worker, or more --slots");
        Reason { lasts: self.oldest, ..reason }
    }
}
