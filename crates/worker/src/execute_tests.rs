//! However an attempt ends, its slot is free and its end is told.

use distrack_core::SessionId;
use distrack_proto::v1::Acceptance;
use distrack_telemetry::Traces;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::held::Registration;
use crate::outbox::Item;
use crate::process::Spawner;
use crate::spool::Spool;
use crate::testing::{assignment, instruments, runner};

#[tokio::test]
async fn an_attempt_whose_code_panics_is_reported_interrupted_and_gives_its_slot_back() {
    let dir = tempfile::tempdir().unwrap();
    let (items, mut inbox) = unbounded_channel();
    let held = Arc::new(Held::new(1, instruments()));
    let (spool, thread, _) =
        Spool::open(dir.path(), true, held.counts(), items.clone(), instruments()).unwrap();
    let registration = Registration { session: SessionId::new(), attach: 1 };
    held.registered(registration);
    let execute = Arc::new(Execute {
        commands: None,
        runner: Runner { spawner: Spawner::broken(), ..runner(&dir.path().join("output")) },
        held: Arc::clone(&held),
        reporter: Reporter { items, spool },
        teller: Teller { traces: Traces::off(), worker: "w".to_owned(), show_command: false },
        instruments: instruments(),
    });
    let assignment = assignment("true");
    let mut accepted = held.accept(registration, vec![assignment.clone()], true).unwrap();
    assert_eq!(accepted.acceptances, [Acceptance::Accepted]);
    let (started, stop) = accepted.starts.pop().unwrap();
    execute.start(started, stop);
    let told = tokio::time::timeout(Duration::from_secs(15), inbox.recv()).await.unwrap();
    let Some(Item::Finished(spooled)) = told else { panic!("{told:?} instead of a result") };
    assert_eq!(spooled.attempt, assignment.attempt);
    assert_eq!(spooled.finished.cause(), distrack_proto::v1::Cause::Interrupted);
    let mut counts = held.counts();
    let free = counts.wait_for(|counts| counts.running == 0);
    tokio::time::timeout(Duration::from_secs(15), free).await.unwrap().unwrap();
    tokio::task::spawn_blocking(move || thread.close()).await.unwrap();
}
