//! Results outlive the process, and what was acknowledged does not.

use std::path::PathBuf;

use distrack_core::{Outcome, Output, TaskId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::testing::instruments;

struct Open {
    spool: Spool,
    thread: SpoolThread,
    delivered: UnboundedReceiver<Item>,
    restored: Vec<AttemptRef>,
    instruments: Instruments,
}

fn open(dir: &Path) -> Open {
    let (deliver, delivered) = unbounded_channel();
    let instruments = instruments();
    let (spool, thread, restored) = Spool::open(dir, deliver, instruments.clone()).unwrap();
    Open { spool, thread, delivered, restored, instruments }
}

fn spooled() -> Spooled {
    let attempt = AttemptRef { task: TaskId::new(), epoch: 1 };
    let stdout = distrack_core::StreamOutput { head: vec![b'x'; 1000], tail: Vec::new(), bytes: 1000 };
    let output = Output { stdout, ..Output::default() };
    let finished = convert::finished(Outcome::success(), output, None, Duration::ZERO);
    Spooled { attempt, ended: Moment::now(), finished }
}

fn next(open: &mut Open) -> Spooled {
    match open.delivered.blocking_recv() {
        Some(Item::Finished(spooled)) => spooled,
        other => panic!("{other:?} instead of a result"),
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("reports")
}

#[test]
fn a_result_is_on_the_disk_before_it_is_delivered_and_comes_back_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let (kept, gone) = (spooled(), spooled());
    first.spool.keep(kept.clone());
    first.spool.keep(gone.clone());
    assert_eq!([next(&mut first), next(&mut first)], [kept.clone(), gone.clone()]);
    // A crash is what the disk holds now, seen by another process.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(file(dir.path()), file(copy.path())).unwrap();
    assert_eq!(open(copy.path()).restored, [kept.attempt, gone.attempt]);

    first.spool.acknowledge(vec![gone.attempt]);
    first.thread.close();
    let mut second = open(dir.path());
    assert_eq!(second.restored, [kept.attempt]);
    assert_eq!(next(&mut second), kept);
}

#[test]
fn an_end_with_everything_acknowledged_leaves_an_empty_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = open(dir.path());
    let kept = spooled();
    open.spool.keep(kept.clone());
    next(&mut open);
    assert_eq!(open.instruments.spooled.get(), 1);
    open.spool.acknowledge(vec![kept.attempt]);
    open.thread.close();
    assert_eq!(open.instruments.spooled.get(), 0);
    assert_eq!(std::fs::metadata(file(dir.path())).unwrap().len(), 0);
}

#[test]
fn what_is_kept_after_a_torn_end_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let (one, two) = (spooled(), spooled());
    first.spool.keep(one.clone());
    next(&mut first);
    first.thread.close();
    let whole = std::fs::read(file(dir.path())).unwrap();
    std::fs::write(file(dir.path()), [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
    let mut second = open(dir.path());
    next(&mut second);
    second.spool.keep(two.clone());
    next(&mut second);
    second.thread.close();
    assert_eq!(open(dir.path()).restored, [one.attempt, two.attempt]);
}

#[test]
fn a_disk_that_refuses_stops_new_work_and_no_delivery_and_gets_the_results_later() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path(), "boot").unwrap();
    let (deliver, mut delivered) = unbounded_channel();
    let healthy = Arc::new(AtomicBool::new(true));
    let mut keeper = Keeper {
        journal,
        boot: "boot".to_owned(),
        unwritten: Vec::new(),
        deliver,
        healthy: Arc::clone(&healthy),
        instruments: instruments(),
    };
    keeper.journal.refuse(true);
    let kept = spooled();
    keeper.write(std::slice::from_ref(&kept), &[]);
    keeper.hand_on(vec![kept.clone()]);
    assert!(!healthy.load(Ordering::Relaxed));
    assert!(delivered.try_recv().is_ok());
    assert_eq!(keeper.instruments.spooled.get(), 1);
    keeper.journal.refuse(false);
    keeper.write(&[], &[]);
    assert!(healthy.load(Ordering::Relaxed));
    drop(keeper);
    assert_eq!(open(dir.path()).restored, [kept.attempt]);
}

#[test]
fn a_spool_that_is_mostly_acknowledged_is_written_anew_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path(), "boot").unwrap();
    let big = || {
        let mut big = spooled();
        let stream =
            v1::StreamOutput { head: vec![b'x'; 65536].into(), bytes: 65536, ..v1::StreamOutput::default() };
        big.finished.stdout = Some(stream.clone());
        big.finished.stderr = Some(stream);
        big
    };
    let kept = big();
    journal.append(&[journal::record(&kept, "boot")], &[]).unwrap();
    for _ in 0..600 {
        let gone = big();
        journal.append(&[journal::record(&gone, "boot")], &[]).unwrap();
        journal.append(&[], &[gone.attempt]).unwrap();
        journal.tidy(false).unwrap();
    }
    drop(journal);
    assert!(std::fs::metadata(file(dir.path())).unwrap().len() < 70 * 1024 * 1024);
    let (_, contents) = Journal::open(dir.path(), "boot").unwrap();
    assert_eq!(contents.results, [kept]);
    assert_eq!(contents.rubbish, 0);
}
