//! A small run in which all went well, to plant violations in.

use crate::chaos::boot::Boot;
use crate::chaos::command::Item;
use crate::chaos::dump::{Dump, OutputRow, Step, TaskRow, state};
use crate::chaos::effects::Run;
use crate::chaos::history::{Cut, History};
use crate::chaos::load::{Call, ClientLog, Submission};

pub(super) const TASK: &str = "00000000-0000-0000-0000-000000000001";

/// A step of the task.
pub(super) fn step(at: i64, old: i16, new: i16, epochs: (i64, i64), attempts: (i32, i32)) -> Step {
    Step {
        seq: at,
        at,
        task: TASK.to_owned(),
        old_state: Some(old),
        new_state: new,
        old_epoch: Some(epochs.0),
        new_epoch: epochs.1,
        old_attempt: Some(attempts.0),
        new_attempt: attempts.1,
        due: 1_000,
        worker: Some("worker-0".to_owned()),
        ..Step::default()
    }
}

/// A run of the task.
pub(super) fn run(epoch: i64, started: i64, ended: i64) -> Run {
    Run {
        task: TASK.to_owned(),
        epoch,
        pid: 7,
        started: Boot(started),
        ended: Some((Boot(ended), 0)),
        ..Run::default()
    }
}

/// One task: submitted at 1 s, claimed, run from 1.1 to 2 s, completed.
pub(super) fn good() -> History {
    let call = Call { status: Some(201), task: Some(TASK.to_owned()), ..Call::default() };
    let item = Item {
        n: 0,
        kind: "short",
        body: serde_json::Value::Null,
        prints: Some("hello 0\n".to_owned()),
        cancel_after: None,
    };
    let submission = Submission { item, key: Some("key".to_owned()), calls: vec![call] };
    let task = TaskRow {
        id: TASK.to_owned(),
        n: Some("0".to_owned()),
        kind: Some("short".to_owned()),
        state: state::COMPLETED,
        epoch: 1,
        attempt: 1,
        max_attempts: 1,
        scheduled: 1_000,
        started: Some(1_100),
        finished: Some(2_000),
        exit_code: Some(0),
        worker: Some("worker-0".to_owned()),
        ..TaskRow::default()
    };
    let accepted = Step { at: 1_000, task: TASK.to_owned(), due: 1_000, ..Step::default() };
    let ended = Step { exit_code: Some(0), ..step(2_000, state::RUNNING, state::COMPLETED, (1, 1), (1, 1)) };
    let steps = vec![
        accepted,
        step(1_050, state::PENDING, state::DISPATCHED, (0, 1), (0, 1)),
        step(1_120, state::DISPATCHED, state::RUNNING, (1, 1), (1, 1)),
        ended,
    ];
    let output = OutputRow {
        task: TASK.to_owned(),
        attempt: 1,
        stdout_head: b"hello 0\n".to_vec(),
        stdout_bytes: 8,
        ..OutputRow::default()
    };
    History {
        clients: ClientLog { submissions: vec![submission], cancels: vec![] },
        runs: vec![run(1, 1_100, 1_990)],
        database: Dump {
            tasks: [(TASK.to_owned(), task)].into(),
            steps,
            keys: vec![("key".to_owned(), TASK.to_owned())],
            outputs: vec![output],
            ..Dump::default()
        },
        ..History::default()
    }
}

/// The one task of a history.
pub(super) fn task(history: &mut History) -> &mut TaskRow {
    history.database.tasks.get_mut(TASK).unwrap()
}

/// A cut of the task's worker.
pub(super) fn cut(from: i64, until: Option<i64>) -> Cut {
    Cut { worker: "worker-0".to_owned(), from: Boot(from), until: until.map(Boot) }
}
