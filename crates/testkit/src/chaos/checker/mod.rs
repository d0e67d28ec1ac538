//! Judges what happened: each invariant is a function over the [`History`] of a run, and has a test that shows that
//! it finds a planted violation.

mod ends;
mod limits;
mod runs;
mod tasks;

use super::history::History;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, such as `I3`, or the fault whose own criterion it is.
    pub rule: &'static str,
    /// The task that it is about, if it is about one.
    pub task: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    /// About a task.
    pub fn of(rule: &'static str, task: impl Into<String>, what: impl Into<String>) -> Self {
        Self { rule, task: Some(task.into()), what: what.into() }
    }

    /// About the whole.
    pub fn general(rule: &'static str, what: impl Into<String>) -> Self {
        Self { rule, task: None, what: what.into() }
    }
}

/// One invariant.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its number.
    pub id: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Finds what breaks it.
    pub check: fn(&History) -> Vec<Violation>,
}

const fn invariant(id: &'static str, says: &'static str, check: fn(&History) -> Vec<Violation>) -> Invariant {
    Invariant { id, says, check }
}

/// All invariants. I16 speaks of recurring schedules, which distrack does not have: nothing is judged by it.
pub const INVARIANTS: [Invariant; 19] = [
    invariant("I1", "every task that a client may count on exists", tasks::every_accepted_task_exists),
    invariant(
        "I2",
        "every task is terminal within the limit after the healing",
        tasks::every_task_is_terminal,
    ),
    invariant("I3", "a task becomes terminal once and stays so", tasks::terminal_states_never_change),
    invariant(
        "I4",
        "what is recorded of an attempt is what its command did",
        runs::records_are_what_happened,
    ),
    invariant("I5", "epochs rise by one, and no epoch runs twice", runs::no_epoch_runs_twice),
    invariant("I6", "two runs overlap only while a worker is cut off", runs::overlaps_only_while_cut_off),
    invariant("I7", "no command starts before it is due", runs::nothing_starts_early),
    invariant("I8", "a superseded attempt changes nothing", ends::superseded_attempts_change_nothing),
    invariant(
        "I9",
        "attempts are within what the task permits, after their wait",
        runs::attempts_are_permitted,
    ),
    invariant(
        "I10",
        "after its end no process of a task lives past the grace",
        ends::nothing_outlives_its_task,
    ),
    invariant("I11", "no worker runs more commands than it has slots", limits::slots_hold),
    invariant("I12", "output is what was printed, inside of its folder", ends::output_is_what_was_printed),
    invariant("I13", "no process, descriptor, result or connection is left over", limits::nothing_leaks),
    invariant("I14", "no transaction idles, and dead rows are bounded", limits::no_transaction_idles),
    invariant("I15", "every step is in the table", tasks::every_step_is_in_the_table),
    invariant("I17", "no task is lost more than three times", runs::nothing_is_lost_too_often),
    invariant("I18", "counters say what the database says", limits::counters_are_true),
    invariant("I19", "one key is one task", tasks::one_key_is_one_task),
    invariant("I20", "everything recovers within its budget", limits::recoveries_are_in_budget),
];

/// Judges a run by all invariants.
pub fn check(history: &History) -> Vec<Violation> {
    INVARIANTS.iter().flat_map(|invariant| (invariant.check)(history)).collect()
}

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod tests {
    use super::fixtures::good;
    use super::*;

    #[test]
    fn a_run_in_which_all_went_well_breaks_nothing() {
        assert_eq!(check(&good()), []);
    }

    #[test]
    fn numbers_are_given_once() {
        let mut ids: Vec<_> = INVARIANTS.iter().map(|invariant| invariant.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), INVARIANTS.len());
    }
}
