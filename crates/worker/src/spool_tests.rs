//! Results outlive the process, and what was acknowledged does not.

use std::path::PathBuf;
use std::time::Instant;

use distrack_core::{Outcome, Output, TaskId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::journal::Refusal;
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
    let (spool, thread, restored) =
        Spool::open(dir, true, nobody_else(), deliver, instruments.clone()).unwrap();
    Open { spool, thread, delivered, restored, instruments }
}

/// No attempt runs that a result could wait for.
fn nobody_else() -> watch::Receiver<Counts> {
    watch::channel(Counts::default()).1
}

/// A spool on a disk that can be made to refuse.
fn open_refusable(dir: &Path) -> (Open, Arc<Refusal>) {
    open_small(dir, MOST_BYTES)
}

/// One that is full with so much.
fn open_small(dir: &Path, most_bytes: u64) -> (Open, Arc<Refusal>) {
    let (deliver, delivered) = unbounded_channel();
    let instruments = instruments();
    let opened = Journal::open(dir, "boot").unwrap();
    let refusal = opened.journal.refusal();
    let started = Spool::start(
        opened,
        "boot".to_owned(),
        most_bytes,
        true,
        nobody_else(),
        deliver,
        instruments.clone(),
    );
    let (spool, thread, restored) = started.unwrap();
    (Open { spool, thread, delivered, restored, instruments }, refusal)
}

fn until(what: &str, good: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(15);
    while !good() {
        assert!(Instant::now() < limit, "not within 15 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn spooled() -> Spooled {
    let attempt = AttemptRef { task: TaskId::new(), epoch: 1 };
    let stdout = distrack_core::StreamOutput { head: vec![b'x'; 1000], tail: Vec::new(), bytes: 1000 };
    let output = Output { stdout, ..Output::default() };
    let finished = convert::finished(Outcome::success(), output, None, Duration::ZERO);
    Spooled { attempt, ended: Moment::now(), finished, trace: Some(TraceContext::root()) }
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
fn a_result_waits_for_those_of_others_that_run_and_for_nobody_else() {
    let running = |running| watch::channel(Counts { running, held: 0 }).1;
    let keep = || Request::Keep(spooled());
    let patience = Duration::from_secs(15);
    let began = Instant::now();
    let (requests, inbox) = mpsc::channel();
    assert_eq!(gather(Some(keep()), &inbox, &running(1), patience).len(), 1, "it is the only one");
    let acknowledge = Request::Acknowledge(Vec::new());
    assert_eq!(gather(Some(acknowledge), &inbox, &running(9), patience).len(), 1, "nothing is to be synced");
    requests.send(keep()).unwrap();
    let later = std::thread::spawn(move || {
        requests.send(keep()).unwrap();
        requests
    });
    assert_eq!(gather(Some(keep()), &inbox, &running(3), patience).len(), 3, "two others run");
    let requests = later.join().unwrap();
    assert!(began.elapsed() < patience);
    assert_eq!(
        gather(Some(keep()), &inbox, &running(2), Duration::ZERO).len(),
        1,
        "the other one takes long"
    );
    drop(requests);
}

#[test]
fn what_the_disk_does_not_confirm_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    // Takes all that is written to it and confirms nothing.
    std::os::unix::fs::symlink("/dev/null", file(dir.path())).unwrap();
    let mut journal = Journal::open(dir.path(), "boot").unwrap().journal;
    assert!(journal.append(&[journal::record(&spooled(), "boot")], &[]).is_err());
    assert_eq!(journal.len(), 0);
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
    let (mut first, refusal) = open_refusable(dir.path());
    refusal.on.store(true, Ordering::SeqCst);
    let kept = spooled();
    first.spool.keep(kept.clone());
    assert_eq!(next(&mut first), kept);
    assert!(!first.spool.is_healthy());
    assert_eq!(first.instruments.spooled.get(), 1);
    refusal.on.store(false, Ordering::SeqCst);
    until("healthy by itself", || first.spool.is_healthy());
    first.thread.close();
    assert_eq!(open(dir.path()).restored, [kept.attempt]);
}

#[test]
fn an_acknowledgement_that_the_disk_refused_is_written_later_and_an_idle_worker_takes_work_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, refusal) = open_refusable(dir.path());
    let (kept, gone) = (spooled(), spooled());
    first.spool.keep(kept.clone());
    first.spool.keep(gone.clone());
    assert_eq!([next(&mut first), next(&mut first)], [kept.clone(), gone.clone()]);
    refusal.on.store(true, Ordering::SeqCst);
    first.spool.acknowledge(vec![gone.attempt]);
    until("refused", || !first.spool.is_healthy());
    assert_eq!(first.instruments.spooled.get(), 1);
    refusal.on.store(false, Ordering::SeqCst);
    until("healthy by itself", || first.spool.is_healthy());
    first.thread.close();
    assert_eq!(open(dir.path()).restored, [kept.attempt]);
}

#[test]
fn a_disk_that_refused_is_not_trusted_before_it_took_something() {
    let dir = tempfile::tempdir().unwrap();
    let (mut open, refusal) = open_refusable(dir.path());
    refusal.on.store(true, Ordering::SeqCst);
    let kept = spooled();
    open.spool.keep(kept.clone());
    next(&mut open);
    // Now there is nothing left to write, and that succeeds on any disk.
    open.spool.acknowledge(vec![kept.attempt]);
    until("forgotten", || open.instruments.spooled.get() == 0);
    let before = refusal.met.load(Ordering::SeqCst);
    until("tried again", || refusal.met.load(Ordering::SeqCst) > before + 1);
    assert!(!open.spool.is_healthy());
    open.thread.close();
}

#[test]
fn a_full_disk_gets_its_room_back_once_everything_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut open, refusal) = open_refusable(dir.path());
    let kept = spooled();
    open.spool.keep(kept.clone());
    next(&mut open);
    refusal.on.store(true, Ordering::SeqCst);
    open.spool.acknowledge(vec![kept.attempt]);
    until("cut", || std::fs::metadata(file(dir.path())).unwrap().len() == 0);
    open.thread.close();
}

#[test]
fn a_spool_that_is_in_order_is_gone_on_with_and_not_written_anew() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let (one, two) = (spooled(), spooled());
    first.spool.keep(one.clone());
    next(&mut first);
    first.thread.close();
    let inode = || std::fs::metadata(file(dir.path())).unwrap().ino();
    let before = inode();
    let mut second = open(dir.path());
    assert_eq!(next(&mut second), one);
    second.spool.keep(two.clone());
    next(&mut second);
    second.spool.acknowledge(vec![one.attempt]);
    second.thread.close();
    assert_eq!(inode(), before);
    assert_eq!(open(dir.path()).restored, [two.attempt]);
}

#[test]
fn a_spool_that_cannot_be_written_anew_is_delivered_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path());
    let kept = spooled();
    first.spool.keep(kept.clone());
    next(&mut first);
    first.thread.close();
    let whole = std::fs::read(file(dir.path())).unwrap();
    std::fs::write(file(dir.path()), [&whole[..], b"rubbish"].concat()).unwrap();
    // Where the new file would be written, nothing can be.
    std::fs::create_dir(dir.path().join("reports.new")).unwrap();
    let opened = Journal::open(dir.path(), "boot").unwrap();
    assert!(opened.unwritable.is_some());
    let mut second = open(dir.path());
    assert!(!second.spool.is_healthy());
    assert_eq!(next(&mut second).attempt, kept.attempt);
    until("healthy once it was written", || second.spool.is_healthy());
    second.thread.close();
    assert_eq!(open(dir.path()).restored, [kept.attempt]);
}

#[test]
fn a_spool_that_holds_too_much_stops_new_work_until_there_is_room_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let one = journal::record(&spooled(), "boot").1.len() as u64;
    let (mut open, refusal) = open_small(dir.path(), 4 * one);
    let kept: Vec<_> = (0..5).map(|_| spooled()).collect();
    for spooled in &kept {
        open.spool.keep(spooled.clone());
        assert_eq!(&next(&mut open), spooled);
    }
    assert!(!open.spool.is_healthy());
    let acknowledge = |at: usize| open.spool.acknowledge(vec![kept[at].attempt]);
    acknowledge(0);
    until("one is gone", || open.instruments.spooled.get() == 4);
    acknowledge(1);
    until("two are gone", || open.instruments.spooled.get() == 3);
    assert!(!open.spool.is_healthy(), "the next result would fill it again");
    acknowledge(2);
    until("there is room", || open.spool.is_healthy());
    // What no disk takes counts as well: it is in memory.
    refusal.on.store(true, Ordering::SeqCst);
    (0..2).for_each(|_| open.spool.keep(spooled()));
    until("both wait", || open.instruments.spooled.get() == 4);
    refusal.on.store(false, Ordering::SeqCst);
    until("written", || open.instruments.spool_bytes.get() > 0 && open.spool.healthy.load(Ordering::SeqCst));
    assert!(!open.spool.is_healthy());
    open.thread.close();
    let (again, _) = open_small(dir.path(), 4 * one);
    assert_eq!(again.restored.len(), 4);
    assert!(!again.spool.is_healthy(), "a full spool is full after a restart, too");
    again.thread.close();
}

#[test]
fn half_a_record_that_a_full_disk_took_is_cut_off_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, refusal) = open_refusable(dir.path());
    let (one, two) = (spooled(), spooled());
    first.spool.keep(one.clone());
    next(&mut first);
    let whole = std::fs::read(file(dir.path())).unwrap();
    refusal.half.store(true, Ordering::SeqCst);
    refusal.on.store(true, Ordering::SeqCst);
    first.spool.keep(two.clone());
    assert_eq!(next(&mut first), two);
    until("refused", || !first.spool.is_healthy());
    assert_eq!(std::fs::read(file(dir.path())).unwrap(), whole);
    refusal.on.store(false, Ordering::SeqCst);
    until("healthy by itself", || first.spool.is_healthy());
    first.thread.close();
    let opened = Journal::open(dir.path(), "boot").unwrap();
    assert_eq!((opened.contents.results, opened.contents.rubbish), (vec![one, two], 0));
}

#[test]
fn a_crash_while_the_journal_is_written_anew_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (spooled(), spooled());
    let records = [journal::record(&one, "boot"), journal::record(&two, "boot")];
    Journal::open(dir.path(), "boot").unwrap().journal.append(&records, &[]).unwrap();
    let whole = std::fs::read(file(dir.path())).unwrap();
    // Before the rename: any part of the new file lies beside the old one, which is as it was.
    for length in [0, 1, whole.len() / 2, whole.len()] {
        std::fs::write(dir.path().join("reports.new"), &whole[..length]).unwrap();
        let results = Journal::open(dir.path(), "boot").unwrap().contents.results;
        assert_eq!(results, [one.clone(), two.clone()], "{length} bytes were written");
    }
    // What a later writing finds in its way, it removes.
    std::fs::write(file(dir.path()), [&whole[..], b"rubbish"].concat()).unwrap();
    let opened = Journal::open(dir.path(), "boot").unwrap();
    assert!(opened.unwritable.is_none());
    assert_eq!(opened.contents.results, [one, two]);
    assert_eq!(std::fs::read(file(dir.path())).unwrap(), whole);
    assert!(!dir.path().join("reports.new").exists());
}

#[test]
fn what_cannot_be_read_is_kept_in_a_copy_and_a_torn_end_is_not_worth_one() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("reports.spoilt");
    let (one, two) = (spooled(), spooled());
    let [first, second] = [&one, &two].map(|kept| journal::record(kept, "boot").1);
    std::fs::write(file(dir.path()), [&first[..], &second[..second.len() - 1]].concat()).unwrap();
    assert_eq!(Journal::open(dir.path(), "boot").unwrap().contents.results, std::slice::from_ref(&one));
    assert!(!copy.exists());
    // A record of a build that is yet to come.
    let mut later = second.clone();
    later[..4].copy_from_slice(b"dtS2");
    let spoilt = [&first[..], &later, &second].concat();
    std::fs::write(file(dir.path()), &spoilt).unwrap();
    assert_eq!(Journal::open(dir.path(), "boot").unwrap().contents.results, [one, two]);
    assert_eq!(std::fs::read(&copy).unwrap(), spoilt);
}

#[test]
fn a_spool_that_cannot_be_opened_is_an_error_and_a_missing_folder_is_made() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(file(dir.path())).unwrap();
    assert!(Journal::open(dir.path(), "boot").is_err(), "a folder is in its place");
    std::fs::write(dir.path().join("occupied"), "").unwrap();
    assert!(Journal::open(&dir.path().join("occupied"), "boot").is_err(), "a file is its folder");
    let missing = dir.path().join("a/b/c");
    assert_eq!(Journal::open(&missing, "boot").unwrap().contents.results, []);
    assert!(missing.join("reports").exists());
}

#[test]
fn a_spool_that_is_mostly_acknowledged_is_written_anew_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path(), "boot").unwrap().journal;
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
    let contents = Journal::open(dir.path(), "boot").unwrap().contents;
    assert_eq!(contents.results, [kept]);
    assert_eq!(contents.rubbish, 0);
}
