//! The quick faults, each with a fixed seed: what the fleet promises holds although something breaks.
//!
//! `make chaos` runs all faults with a random seed; `cargo run -p distrack-testkit -- chaos F7 --seed 42` one.

#![cfg(target_os = "linux")]

use distrack_testkit::Postgres;
use distrack_testkit::chaos::faults;
use distrack_testkit::chaos::run::{Options, run};
use tokio::sync::Mutex;

/// Two fleets at once would only show that the machine is small.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

const SEED: u64 = 42;

async fn survives(fault: &str) {
    // This one stops the server, which must be its own.
    if fault == "F10" && Postgres::is_left_out() {
        return;
    }
    let _turn = ONE_AT_A_TIME.lock().await;
    let fault = faults::find(fault).expect("a fault of the table");
    let options = Options::new(env!("CARGO_BIN_EXE_distrack").into(), SEED);
    let verdict = run(fault, &options).await.expect("a fleet to break");
    assert!(verdict.is_good(), "{verdict}");
    eprintln!("{verdict}");
}

macro_rules! faults {
    ($($name:ident: $fault:literal,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            survives($fault).await;
        })*
    };
}

faults! {
    no_accepted_task_is_lost_when_the_scheduler_is_killed_under_load: "F1",
    nothing_runs_again_when_a_coordinator_is_killed: "F2",
    no_command_is_killed_when_all_coordinators_are_gone_for_twice_lost_after: "F3",
    a_worker_that_is_killed_and_started_again_runs_its_tasks_again_without_overlap: "F4",
    tasks_of_a_worker_that_never_returns_run_elsewhere: "F5",
    a_worker_that_is_killed_again_and_again_makes_no_task_poison: "F6",
    a_worker_that_was_stopped_past_its_lease_kills_what_was_superseded: "F7",
    nothing_runs_again_when_a_worker_is_stopped_within_its_lease: "F8",
    clients_hear_503_and_nothing_is_lost_when_the_database_loses_its_power: "F10",
    a_worker_that_was_cut_off_kills_what_was_superseded_once_it_is_heard: "F15",
    a_command_that_ignores_sigterm_is_killed_with_its_group: "F26",
    a_daemon_that_a_command_leaves_is_killed_or_told_of: "F27",
    a_child_that_keeps_the_output_open_does_not_hold_the_task: "F28",
    a_command_that_prints_without_end_fills_neither_disk_nor_memory: "F29",
    bytes_that_are_no_text_are_kept_as_they_are: "F30",
    clients_that_hang_up_leave_neither_rows_nor_transactions: "F37",
    a_task_that_kills_its_worker_is_quarantined_and_nobody_else_is: "F38",
}
