//! What a report means to the task as the store has it.

use crate::state::TaskState;

/// A task as far as a report of one of its attempts is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// The epoch of its last claim.
    pub epoch: i64,
    /// Its state.
    pub state: TaskState,
    /// Whether the end of its last attempt was reported by a worker.
    pub reported: bool,
}

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The command runs.
    Started,
    /// The attempt ended.
    Finished,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing: the attempt was superseded, given back or lost, or its task is gone.
    Stale,
    /// Nothing new.
    Duplicate,
    /// The attempt runs from now on.
    Starts,
    /// The attempt ends.
    Ends,
}

/// Judges a report of the attempt with `epoch`.
pub fn judge(task: Option<Current>, epoch: i64, said: Said) -> Judgement {
    let Some(task) = task else { return Judgement::Stale };
    if task.epoch != epoch {
        return Judgement::Stale;
    }
    if !task.state.is_held() {
        return if task.reported { Judgement::Duplicate } else { Judgement::Stale };
    }
    match said {
        Said::Started if task.state == TaskState::Running => Judgement::Duplicate,
        Said::Started => Judgement::Starts,
        Said::Finished => Judgement::Ends,
    }
}

/// Whether the command ever ran: the report tells for how long, or a start was recorded before.
pub fn began(state: TaskState, tells_how_long: bool) -> bool {
    tells_how_long || state == TaskState::Running
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(state: TaskState, reported: bool) -> Option<Current> {
        Some(Current { epoch: 2, state, reported })
    }

    #[test]
    fn only_the_attempt_that_is_held_is_reported() {
        use Said::{Finished, Started};
        assert_eq!(judge(None, 2, Finished), Judgement::Stale);
        for state in TaskState::ALL {
            assert_eq!(judge(current(state, true), 1, Finished), Judgement::Stale, "an older epoch");
            assert_eq!(judge(current(state, true), 3, Finished), Judgement::Stale, "one that never was");
        }
        assert_eq!(judge(current(TaskState::Dispatched, false), 2, Started), Judgement::Starts);
        assert_eq!(judge(current(TaskState::Running, false), 2, Started), Judgement::Duplicate);
        assert_eq!(judge(current(TaskState::Running, false), 2, Finished), Judgement::Ends);
        assert_eq!(judge(current(TaskState::Completed, true), 2, Finished), Judgement::Duplicate);
        assert_eq!(judge(current(TaskState::Pending, false), 2, Finished), Judgement::Stale, "it was lost");
    }
}
