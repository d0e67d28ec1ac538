//! What goes wrong, and when: drawn from the seed before the simulation begins.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// Who takes part. The scheduler is the store itself: its client stores and cancels tasks.
pub(crate) const COORDINATORS: usize = 2;
pub(crate) const WORKERS: usize = 3;

/// Something that goes wrong at one instant, and is over at another.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) at: Duration,
    pub(crate) over: Duration,
    pub(crate) what: What,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The host dies; it starts again when the fault is over.
    Crash(String),
    /// Nothing passes between the two.
    Partition(String, String),
    /// Nothing passes from the first to the second.
    Deaf(String, String),
    /// What is sent between the two arrives when the fault is over.
    Hold(String, String),
    /// The coordinator does not reach the database: calls fail, before or after they did what was asked.
    Database(usize),
    /// Nobody does.
    Outage,
    /// The database's clock is set forward by this much, and stays so.
    ClockStep(Duration),
}

/// The name of a coordinator's host.
pub(crate) fn coordinator(n: usize) -> String {
    format!("coordinator-{n}")
}

/// The name of a worker's host.
pub(crate) fn worker(n: usize) -> String {
    format!("worker-{n}")
}

/// The faults of one run, which are all over at `until`.
pub(crate) fn draw(rng: &mut StdRng, until: Duration) -> Vec<Fault> {
    let count = rng.random_range(2..10);
    let mut faults: Vec<Fault> = (0..count).map(|_| one(rng, until)).collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn one(rng: &mut StdRng, until: Duration) -> Fault {
    let at = until.mul_f64(rng.random_range(0.02..0.8));
    // Shorter and longer than a lease.
    let over = (at + Duration::from_millis(rng.random_range(50..15_000))).min(until);
    let pair = (coordinator(any(rng, COORDINATORS)), worker(any(rng, WORKERS)));
    let what = match rng.random_range(0..10) {
        0 | 1 => What::Crash(pair.1),
        2 | 3 => What::Crash(pair.0),
        4 => What::Partition(pair.0, pair.1),
        5 => What::Deaf(pair.0, pair.1),
        6 => What::Deaf(pair.1, pair.0),
        7 => What::Hold(pair.0, pair.1),
        8 => What::Database(any(rng, COORDINATORS)),
        _ if rng.random_bool(0.5) => What::Outage,
        _ => What::ClockStep(Duration::from_millis(rng.random_range(1..4_000))),
    };
    Fault { at, over, what }
}

fn any(rng: &mut StdRng, count: usize) -> usize {
    usize::try_from(rng.next_u64()).unwrap_or(0) % count
}
