//! The kinds of tasks in the mix, and the right end of each.

use std::path::Path;

use distrack_testkit::{Api, Fleet};
use serde_json::{Value, json};

/// One kind of task.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    command: &'static str,
    /// Fields beside the command.
    fields: fn(usize) -> Value,
    state: &'static str,
    cause: Option<&'static str>,
    exit_code: Option<i64>,
    printed: Printed,
}

/// What the recorded attempt must have printed.
enum Printed {
    /// Whatever; a killed command may have printed or not.
    Anything,
    /// This text on standard output, with `N` for the task's number.
    Stdout(&'static str),
    /// This text on standard error.
    Stderr(&'static str),
    /// These bytes on standard output.
    Bytes(&'static [u8]),
    /// The lines of `seq 1 40000`, too many for the database.
    LongSequence,
}

const fn kind(name: &'static str, command: &'static str, fields: fn(usize) -> Value) -> Kind {
    Kind {
        name,
        command,
        fields,
        state: "completed",
        cause: None,
        exit_code: Some(0),
        printed: Printed::Anything,
    }
}

const fn failing(kind: Kind, cause: &'static str, exit_code: Option<i64>) -> Kind {
    Kind { state: "failed", cause: Some(cause), exit_code, ..kind }
}

const fn printing(kind: Kind, printed: Printed) -> Kind {
    Kind { printed, ..kind }
}

fn plain(_: usize) -> Value {
    json!({})
}

fn delayed(n: usize) -> Value {
    json!({"delay_seconds": (n % 40) as f64 * 0.1})
}

pub(crate) static KINDS: [Kind; 16] = [
    printing(kind("hello", "echo hello N", plain), Printed::Stdout("hello N\n")),
    printing(kind("later", "echo later N", delayed), Printed::Stdout("later N\n")),
    printing(kind("urgent", "echo urgent N", |_| json!({"priority": 50})), Printed::Stdout("urgent N\n")),
    printing(
        kind("other_queue", "echo queued N", |_| json!({"queue": "etl"})),
        Printed::Stdout("queued N\n"),
    ),
    printing(kind("stderr", "echo complaint N >&2; exit 7", plain), Printed::Stderr("complaint N\n"))
        .ends_with(7),
    kind("silent", "true", delayed),
    failing(kind("fails", "exit 3", plain), "exit_code", Some(3)),
    kind("fails_once", "[ $DISTRACK_ATTEMPT -ge 2 ]", retried),
    failing(
        kind("fails_always", "exit 4", |_| json!({"max_attempts": 3, "backoff": BACKOFF()})),
        "exit_code",
        Some(4),
    ),
    failing(kind("times_out", "sleep 20", |_| json!({"timeout": "300ms"})), "timeout", None),
    Kind {
        state: "cancelled",
        cause: None,
        exit_code: None,
        ..kind("cancel_pending", "true", |_| json!({"delay_seconds": 600}))
    },
    Kind {
        state: "cancelled",
        cause: Some("cancelled"),
        exit_code: None,
        ..kind("cancel_running", "sleep 20", plain)
    },
    printing(kind("long_output", "seq 1 40000", plain), Printed::LongSequence),
    printing(kind("binary", r"printf '\000\377\001'", plain), Printed::Bytes(b"\x00\xff\x01")),
    printing(kind("works", "sleep 0.0$((N % 10)); echo done N", plain), Printed::Stdout("done N\n")),
    failing(kind("signalled", "kill -9 $$", plain), "signal", None),
];

#[expect(non_snake_case, reason = "reads as a constant in the table above")]
fn BACKOFF() -> Value {
    json!({"initial": "100ms", "max": "200ms"})
}

fn retried(_: usize) -> Value {
    json!({"max_attempts": 5, "backoff": BACKOFF()})
}

impl Kind {
    const fn ends_with(self, exit_code: i64) -> Self {
        failing(self, "exit_code", Some(exit_code))
    }

    /// The task of number `n`. It says in `effects` that it began, and when.
    pub(crate) fn body(&self, n: usize, effects: &Path) -> Value {
        let command = self.command.replace('N', &n.to_string());
        let mut body = (self.fields)(n);
        body["command"] = json!(format!(
            "echo \"$DISTRACK_TASK_ID $DISTRACK_EPOCH $(date +%s%N)\" >>'{}'; {command}",
            effects.display()
        ));
        body["labels"] = json!({"kind": self.name, "n": n.to_string()});
        body
    }

    /// Whether `task`, which has ended, ended as its kind must.
    pub(crate) async fn check(&self, task: &Value, api: &Api, fleet: &Fleet) {
        assert_eq!(task["state"], self.state, "{task}");
        // A cancelled task whose worker was killed ends without its worker's word.
        let lost = self.name == "cancel_running" && task["cause"] == "worker_lost";
        assert!(lost || task["cause"].as_str() == self.cause, "{task}");
        assert_eq!(task["exit_code"].as_i64(), self.exit_code, "{task}");
        match self.name {
            "cancel_pending" => assert!(task["started_at"].is_null(), "{task}"),
            "fails_always" => assert_eq!(task["failures"], 3, "{task}"),
            _ => {}
        }
        self.check_output(task, api, fleet).await;
    }

    async fn check_output(&self, task: &Value, api: &Api, fleet: &Fleet) {
        let number = task["labels"]["n"].as_str().unwrap();
        let id = task["task_id"].as_str().unwrap();
        let raw = |stream: &'static str| async move {
            let answer = api.get(&format!("/v1/tasks/{id}/output?stream={stream}")).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.bytes
        };
        match self.printed {
            Printed::Anything => {}
            Printed::Stdout(text) => {
                assert_eq!(raw("stdout").await, text.replace('N', number).as_bytes(), "{task}")
            }
            Printed::Stderr(text) => {
                assert_eq!(raw("stderr").await, text.replace('N', number).as_bytes(), "{task}")
            }
            Printed::Bytes(bytes) => assert_eq!(raw("stdout").await, bytes, "{task}"),
            Printed::LongSequence => {
                let full: Vec<u8> = (1..=40_000).flat_map(|line| format!("{line}\n").into_bytes()).collect();
                check_ends(&api.output(id).await.unwrap()["stdout"], &full);
                assert_eq!(file_of(task, fleet), full, "{task}");
            }
        }
    }
}

/// The database has both ends and the count; the API gives them as text or base64.
fn check_ends(stream: &Value, full: &[u8]) {
    const KEPT: usize = 64 * 1024;
    assert_eq!(stream["bytes"], full.len(), "{stream}");
    assert_eq!(stream["omitted"], full.len() - 2 * KEPT, "{stream}");
    assert_eq!(stream["head"].as_str().unwrap().as_bytes(), &full[..KEPT]);
    assert_eq!(stream["tail"].as_str().unwrap().as_bytes(), &full[full.len() - KEPT..]);
}

/// All that the recorded attempt printed, on the disk of the worker that ran it.
fn file_of(task: &Value, fleet: &Fleet) -> Vec<u8> {
    let name = format!("{}/{}.stdout", task["task_id"].as_str().unwrap(), task["attempt"]);
    let folders = (0..3).map(|n| fleet.worker(n).folder().join("output").join(&name));
    folders.filter_map(|path| std::fs::read(path).ok()).next().unwrap_or_else(|| panic!("no file {name}"))
}
