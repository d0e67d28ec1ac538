//! The faults: what each does to a fleet, and what must hold beside the invariants.

mod clients;
mod clocks;
mod commands;
mod criteria;
mod database;
mod disks;
mod network;
mod processes;
mod table;

use anyhow::Result;
use futures::future::BoxFuture;

use super::checker::Violation;
use super::history::History;
use super::load::Habits;
use super::scene::{Notes, Scene};
use super::world::Plan;

pub use table::FAULTS;

/// When a fault is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With every run of the tests: it takes seconds.
    Quick,
    /// When all are run.
    Full,
    /// Never by this runner, for this reason.
    NotHere(&'static str),
}

/// What a fault does.
pub type Act = for<'a> fn(&'a Scene) -> BoxFuture<'a, Result<()>>;

/// One fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Its number.
    pub id: &'static str,
    /// What happens.
    pub title: &'static str,
    /// What must hold beside the invariants.
    pub extra: &'static str,
    /// When it is run.
    pub when: When,
    /// Changes the usual fleet and load.
    pub plan: fn(&mut Plan, &mut Habits),
    /// Makes it happen, and heals.
    pub act: Act,
    /// Judges what must hold besides.
    pub judge: fn(&History, &Notes) -> Vec<Violation>,
}

/// The fault of this number, whatever its case.
pub fn find(id: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_list_is_run_or_has_a_reason() {
        // Some have variants.
        let ids: Vec<&str> = FAULTS.iter().map(|fault| fault.id).filter(|id| !id.ends_with('S')).collect();
        assert_eq!(ids, (1..=38).map(|n| format!("F{n}")).collect::<Vec<_>>());
        for fault in FAULTS {
            if let When::NotHere(reason) = fault.when {
                assert!(reason.len() > 20, "{}: {reason}", fault.id);
            }
        }
    }

    #[test]
    fn the_quick_ones_are_those_that_every_run_of_the_tests_needs() {
        let quick: Vec<&str> =
            FAULTS.iter().filter(|fault| fault.when == When::Quick).map(|fault| fault.id).collect();
        let expected = ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F10", "F15"];
        assert_eq!(quick[..10], expected);
        assert_eq!(quick[10..], ["F26", "F27", "F28", "F29", "F30", "F37", "F38"]);
    }
}
