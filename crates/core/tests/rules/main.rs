//! The protocol in every order of events that a small fleet permits.
//!
//! The fleet's steps call the functions of `distrack_core::protocol`, which the services and stores call. Any message may
//! be late, lost, copied or overtaken, any process may crash at any step, any lease may run out, and users cancel and
//! retry: every combination of so many faults as a world permits is tried. What is left out: several hosts with one
//! worker id, more attempts than a worker remembers answers of, assignments that a worker cannot read, commands that
//! outlive the process of their worker, reports that a coordinator refuses for good.

#![expect(clippy::wildcard_enum_match_arm, reason = "a step or message concerns few")]
#![expect(clippy::cast_possible_truncation, reason = "the fleet is small")]

mod database;
mod explore;
mod promises;
mod steps;
mod wire;
mod world;

use std::time::Duration;

use distrack_core::{Backoff, OnLost, RetryPolicy};
use explore::{Explored, explore};
use world::Bounds;

const SMALL: Bounds = Bounds {
    coordinators: 1,
    workers: 1,
    tasks: 1,
    slots: 1,
    policy: RetryPolicy {
        max_attempts: 2,
        backoff: Backoff { initial: Duration::ZERO, max: Duration::ZERO },
        on_lost: OnLost::Retry,
    },
    faults: 1,
    epochs: 3,
    starts_told: true,
    retried: false,
    deadlines: false,
};

fn keeps_every_promise(bounds: Bounds) {
    let Explored { states, steps, depth } = explore(&bounds);
    eprintln!("{states} states, {steps} steps, the longest history has {depth}");
    assert!(states > 1000, "the fleet did something");
}

#[test]
fn one_worker_keeps_every_promise() {
    keeps_every_promise(Bounds { faults: 2, epochs: 2, starts_told: false, ..SMALL });
}

#[test]
fn a_worker_that_tells_of_starts_keeps_every_promise() {
    keeps_every_promise(SMALL);
}

#[test]
fn two_coordinators_and_two_workers_keep_every_promise() {
    keeps_every_promise(Bounds { coordinators: 2, workers: 2, ..SMALL });
}

#[test]
fn two_tasks_keep_every_promise() {
    keeps_every_promise(Bounds { tasks: 2, deadlines: true, starts_told: false, ..SMALL });
}

#[test]
fn a_task_that_a_user_retries_keeps_every_promise() {
    keeps_every_promise(Bounds { tasks: 2, retried: true, starts_told: false, ..SMALL });
}

#[test]
fn a_task_that_may_run_once_keeps_every_promise() {
    let policy = RetryPolicy { max_attempts: 1, on_lost: OnLost::Fail, ..SMALL.policy };
    keeps_every_promise(Bounds { policy, faults: 2, epochs: 2, starts_told: false, ..SMALL });
}

#[test]
fn a_fleet_without_faults_keeps_every_promise() {
    keeps_every_promise(Bounds { coordinators: 2, workers: 2, tasks: 2, faults: 0, ..SMALL });
}

#[test]
fn two_coordinators_keep_every_promise_under_two_faults() {
    keeps_every_promise(Bounds { coordinators: 2, faults: 2, epochs: 2, starts_told: false, ..SMALL });
}
