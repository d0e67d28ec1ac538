//! Whatever goes wrong, all that is promised holds; and what a seed did once, it does again.

use std::process::Command;

/// Runs the simulation of a seed, in a process of its own; returns what it said.
fn simulated(seed: u64) -> String {
    let program = env!("CARGO_BIN_EXE_distrack-simulation");
    let output = Command::new(program).args(["--seed", &seed.to_string()]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn nothing_is_lost_doubled_or_early_whatever_goes_wrong() {
    (1..=16).for_each(|seed| _ = simulated(seed));
}

#[test]
fn a_seed_does_the_same_again() {
    let history = |seed| simulated(seed).split_once(": ").expect("it says what happened").1.to_owned();
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8), "the seed decides nothing");
}
