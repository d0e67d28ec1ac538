//! The contract of a store, in memory: what the simulation rests on is what the databases do.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use distrack_core::TaskId;
use distrack_simulation::{Clock, MemoryStore};
use distrack_store::{Store, store_conformance};
use tokio::time::Instant;

async fn new_store() -> (Arc<dyn Store>, ()) {
    let began = Instant::now();
    // An id tells today, by which the longest delay is judged.
    let today =
        TaskId::new().as_uuid().get_timestamp().map(|stamp| stamp.to_unix()).expect("a time-ordered id");
    let epoch = i64::try_from(today.0)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .expect("an instant");
    let clock = Clock::new(move || {
        let elapsed = i64::try_from(began.elapsed().as_micros()).expect("a test is short");
        epoch + TimeDelta::microseconds(elapsed)
    });
    (Arc::new(MemoryStore::new(clock)), ())
}

store_conformance!(new_store);
