//! The protocol in every order of events that a small fleet permits.
//!
//! The fleet's steps call the functions of `distrack_core::protocol`, which the services and stores call. Any message may
//! be late, lost, copied or overtaken, any process may crash at any step, any lease may run out, and users cancel and
//! retry: every combination of so many faults as a world permits is tried. What is left out: several hosts with one
//! worker id, more attempts than a worker remembers answers of, assignments that a worker cannot read, commands that
//! outlive the process of their worker.

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
use explore::explore;
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
    let began = std::time::Instant::now();
    let explored = explore(&bounds);
    println!("{:?}", began.elapsed());
    println!("{explored:?} in {bounds:?}");
    assert!(explored.states > 100, "the fleet did something");
}

#[test]
fn x() {
    let v: Vec<u8> = std::env::var("W").unwrap().split(',').map(|x| x.parse().unwrap()).collect();
    keeps_every_promise(Bounds {
        coordinators: v[0],
        workers: v[1],
        tasks: v[2],
        faults: v[3],
        epochs: v[4].into(),
        starts_told: v[5] == 1,
        retried: v[6] == 1,
        deadlines: v[6] == 1,
        slots: v[7].into(),
        ..SMALL
    });
}
