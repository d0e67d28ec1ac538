//! What a registration makes of the worker's older one, and of the attempts that the database has and it does not.

use std::collections::HashSet;

use crate::attempt::AttemptRef;
use crate::id::InstanceId;
use crate::state::TaskState;

/// The live session of a worker, as the store has it.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// The process that opened it.
    pub instance: InstanceId,
    /// Where that process runs.
    pub host: &'a str,
    /// Whether its lease has not run out.
    pub leased: bool,
}

/// What a registration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Opens the worker's first session.
    Open,
    /// Continues the session of the same process.
    Continue,
    /// Ends the session of an older process and opens one.
    Supersede,
    /// Nothing: a live process on another host has this worker id.
    OtherHost,
    /// Nothing: a later process of the worker has registered.
    Overtaken,
}

/// Decides on a registration of process `instance` on `host`; `current` is the worker's live session.
///
/// A process on the same host has the state directory to itself: the older one is dead, unless it is the registration
/// that is old, and came late. On another host only a lease that ran out permits it.
pub fn admit(current: Option<Live<'_>>, instance: InstanceId, host: &str) -> Admission {
    let Some(current) = current else { return Admission::Open };
    if current.instance == instance {
        return Admission::Continue;
    }
    if !current.leased {
        return Admission::Supersede;
    }
    if current.host != host {
        return Admission::OtherHost;
    }
    if instance < current.instance { Admission::Overtaken } else { Admission::Supersede }
}

/// Whether a later registration of the same process came first, or this very one did: a copy that comes late does not
/// know what was taken meanwhile. Restated by `session_continue`.
pub fn is_overtaken(last: u64, sequence: u64) -> bool {
    sequence <= last
}

/// What is known of the process that holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// It has just said what it holds.
    Same,
    /// It is dead.
    Gone,
    /// It leaves: it takes nothing any more, and what it finished is recorded.
    Leaving,
}

/// What becomes of an attempt that the database has under a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Keep,
    /// It is given back: the process never got it.
    Release,
    /// Nobody knows how far it came.
    Lose,
}

/// Decides on an attempt in `state`; `holds` is whether its worker says that it holds it.
pub fn fate(state: TaskState, holds: bool, process: Process) -> Fate {
    if holds {
        return Fate::Keep;
    }
    match process {
        // It never got what it does not hold, unless it said that it had started it.
        Process::Same | Process::Leaving if state != TaskState::Running => Fate::Release,
        Process::Same | Process::Leaving | Process::Gone => Fate::Lose,
    }
}

/// What a worker holds and the database does not: to be killed.
pub fn kill(held: &[AttemptRef], kept: &[AttemptRef]) -> Vec<AttemptRef> {
    let kept: HashSet<_> = kept.iter().copied().collect();
    held.iter().copied().filter(|attempt| !kept.contains(attempt)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TaskId;

    #[test]
    fn a_worker_id_belongs_to_one_process_at_a_time() {
        let [older, newer] = [1, 2].map(|n| InstanceId::from(uuid::Uuid::from_u128(n)));
        let live = |instance, leased| Some(Live { instance, host: "here", leased });
        assert_eq!(admit(None, older, "here"), Admission::Open);
        assert_eq!(admit(live(older, true), older, "here"), Admission::Continue);
        assert_eq!(admit(live(older, true), newer, "here"), Admission::Supersede);
        assert_eq!(admit(live(newer, true), older, "here"), Admission::Overtaken);
        assert_eq!(admit(live(older, true), newer, "there"), Admission::OtherHost);
        assert_eq!(admit(live(older, false), newer, "there"), Admission::Supersede);
    }

    #[test]
    fn only_what_a_living_process_never_said_it_started_is_given_back() {
        use TaskState::{Dispatched, Running};
        assert_eq!(fate(Dispatched, true, Process::Same), Fate::Keep);
        assert_eq!(fate(Dispatched, false, Process::Same), Fate::Release);
        assert_eq!(fate(Running, false, Process::Same), Fate::Lose);
        assert_eq!(fate(Dispatched, false, Process::Leaving), Fate::Release);
        assert_eq!(fate(Dispatched, false, Process::Gone), Fate::Lose);
        assert_eq!(fate(Running, true, Process::Gone), Fate::Keep, "its result lies in the spool");
    }

    #[test]
    fn what_the_database_does_not_have_is_killed() {
        let [one, two] = [1, 2].map(|epoch| AttemptRef { task: TaskId::new(), epoch });
        assert_eq!(kill(&[one, two], &[two]), [one]);
    }

    #[test]
    fn a_registration_counts_once() {
        assert!(is_overtaken(2, 1) && is_overtaken(2, 2) && !is_overtaken(2, 3));
    }
}
