//! Batches are bounded, in order, and lose nothing.

use distrack_core::{Outcome, Output, TaskId};

use super::*;

fn attempt() -> AttemptRef {
    AttemptRef { task: TaskId::new(), epoch: 1 }
}

fn spooled(bytes: usize) -> Spooled {
    let stream = distrack_core::StreamOutput { head: vec![0; bytes], tail: Vec::new(), bytes: bytes as u64 };
    let output = Output { stdout: stream, ..Output::default() };
    let finished = convert::finished(Outcome::success(), output, None, Duration::ZERO);
    Spooled { attempt: attempt(), ended: Moment::now(), finished, trace: None }
}

#[tokio::test]
async fn a_result_goes_at_once_and_a_start_after_a_moment_if_it_still_runs() {
    let mut outbox = Outbox::default();
    let now = Instant::now();
    let (runs, done) = (attempt(), attempt());
    assert_eq!(outbox.due(), None);
    outbox.put(Item::Started(runs, Moment::now()));
    outbox.put(Item::Started(done, Moment::now()));
    let started_due = outbox.due().unwrap();
    assert!(started_due >= now + STARTED_WAITS);
    outbox.put(Item::Finished(spooled(1)));
    assert!(outbox.due().unwrap() <= Instant::now());
    let first = outbox.batch(|_| true);
    assert_eq!((first.started.len(), first.finished.len()), (0, 1));
    while !outbox.started.iter().all(|(due, ..)| *due <= Instant::now()) {
        tokio::task::yield_now().await;
    }
    let second = outbox.batch(|attempt| attempt == runs);
    assert_eq!(second.attempts().collect::<Vec<_>>(), [runs]);
    assert_eq!(outbox.due(), None);
}

#[tokio::test]
async fn a_batch_is_bounded_in_number_and_bytes_and_nothing_is_lost() {
    let mut outbox = Outbox::default();
    for _ in 0..MAX_BATCH + 7 {
        outbox.put(Item::Finished(spooled(1)));
    }
    assert_eq!(outbox.batch(|_| true).len(), MAX_BATCH);
    assert_eq!(outbox.batch(|_| true).len(), 7);
    for _ in 0..200 {
        outbox.put(Item::Finished(spooled(65536)));
    }
    let mut sizes = Vec::new();
    while outbox.due().is_some() {
        let batch = outbox.batch(|_| true);
        assert!(batch.request(SessionId::new()).encoded_len() <= MAX_BYTES);
        sizes.push(batch.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), 200);
    assert_eq!(sizes.len(), 2);
}

#[tokio::test]
async fn what_was_not_received_goes_first_and_in_the_same_order() {
    let mut outbox = Outbox::default();
    let (one, two, three) = (spooled(1), spooled(1), spooled(1));
    outbox.put(Item::Finished(one.clone()));
    outbox.put(Item::Finished(two.clone()));
    let batch = outbox.batch(|_| true);
    outbox.put(Item::Finished(three.clone()));
    outbox.put_back(batch);
    assert_eq!(outbox.batch(|_| true).finished, [one, two, three]);
}

#[tokio::test]
async fn a_spoilt_batch_goes_again_one_by_one_and_then_all_at_once_again() {
    let mut outbox = Outbox::default();
    for _ in 0..3 {
        outbox.put(Item::Finished(spooled(1)));
    }
    let batch = outbox.batch(|_| true);
    outbox.put_back_alone(batch);
    for _ in 0..2 {
        outbox.put(Item::Finished(spooled(1)));
    }
    let sizes: Vec<_> = (0..4).map(|_| outbox.batch(|_| true).len()).collect();
    assert_eq!(sizes, [1, 1, 1, 2]);
}

#[tokio::test]
async fn what_is_sent_alone_and_fails_stays_alone_and_one_that_is_put_aside_lets_all_others_go_first() {
    let mut outbox = Outbox::default();
    let (bad, good) = (spooled(1), spooled(1));
    outbox.put(Item::Finished(bad.clone()));
    outbox.put(Item::Finished(good.clone()));
    let both = outbox.batch(|_| true);
    outbox.put_back_alone(both);
    let first = outbox.batch(|_| true);
    outbox.put_back(first);
    let first = outbox.batch(|_| true);
    assert_eq!(first.finished, [bad]);
    outbox.put_aside(first);
    let fresh = spooled(1);
    outbox.put(Item::Finished(fresh.clone()));
    assert_eq!(outbox.batch(|_| true).finished, [good]);
    assert_eq!(outbox.batch(|_| true).finished, [fresh]);
    assert_eq!(outbox.batch(|_| true).len(), 0);
    let due = outbox.due().unwrap();
    assert!(due > Instant::now() && due <= Instant::now() + ASIDE_FOR);
}
