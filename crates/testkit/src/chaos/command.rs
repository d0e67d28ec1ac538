//! What the tasks of a chaos run do. Each command says in the effect log when it starts and how it ends.

use std::path::Path;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// One task to be submitted.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its number, which no other task of the run has: its label `n`.
    pub n: usize,
    /// What kind of task it is: its label `kind`.
    pub kind: &'static str,
    /// What is sent.
    pub body: Value,
    /// All that a run of it that ends by itself prints on standard output, where it is known.
    pub prints: Option<String>,
    /// How long after the answer it is cancelled.
    pub cancel_after: Option<Duration>,
}

/// Kinds of tasks, and how many of 100 tasks are of each.
const MIX: [(&str, u32); 8] = [
    ("short", 40),
    ("later", 14),
    ("works", 20),
    ("retried", 7),
    ("fails", 4),
    ("once", 7),
    ("noop", 4),
    ("cancelled", 4),
];

/// Draws the task of number `n`.
pub fn draw(n: usize, dice: &mut StdRng, effects: &Path) -> Item {
    let mut ticket = dice.random_range(0..100);
    let drawn = MIX.iter().find(|(_, share)| {
        let mine = ticket < *share;
        ticket = ticket.saturating_sub(*share);
        mine
    });
    of_kind(drawn.map_or("short", |(kind, _)| kind), n, dice, effects)
}

/// The task of number `n`, of this kind.
pub fn of_kind(kind: &'static str, n: usize, dice: &mut StdRng, effects: &Path) -> Item {
    let says = format!("echo hello {n}");
    let prints = Some(format!("hello {n}\n"));
    let backoff = json!({"initial": "100ms", "max": "300ms"});
    let ms = |dice: &mut StdRng, range| dice.random_range::<u64, _>(range);
    let (script, mut body, prints) = match kind {
        "later" => (says, json!({"delay_seconds": ms(dice, 100..3_000) as f64 / 1e3}), prints),
        "works" => {
            let work = format!("sleep {}; {says}", ms(dice, 100..2_000) as f64 / 1e3);
            (work, json!({}), prints)
        }
        "retried" => {
            let work = format!("{says}; [ $DISTRACK_ATTEMPT -ge 3 ]");
            (work, json!({"max_attempts": 6, "backoff": backoff}), prints)
        }
        "fails" => (format!("{says}; (exit 4)"), json!({"max_attempts": 2, "backoff": backoff}), prints),
        "once" => {
            let work = format!("sleep {}; {says}", ms(dice, 50..500) as f64 / 1e3);
            (work, json!({"on_lost": "fail"}), prints)
        }
        "noop" => (says, json!({"executor": "noop"}), None),
        "cancelled" => ("sleep 20".to_owned(), json!({}), None),
        _ => (says, json!({}), prints),
    };
    body["command"] = json!(with_effects(&script, effects));
    body["labels"] = json!({"n": n.to_string(), "kind": kind});
    let cancel_after = (kind == "cancelled").then(|| Duration::from_millis(ms(dice, 0..1_500)));
    Item { n, kind, body, prints, cancel_after }
}

/// Wraps a script so that it appends its start and its end, with its exit code, to the effect log.
///
/// Everything in it is built into the shell: a line is one write to a file opened for appending.
pub fn with_effects(script: &str, effects: &Path) -> String {
    format!(
        "e() {{ read -r up _ </proc/uptime; echo \"$DISTRACK_TASK_ID $DISTRACK_EPOCH $1 $$ $up $2\" >>'{}'; }}\n\
         e start -\n{script}\nc=$?; e end $c; exit $c",
        effects.display()
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rand::SeedableRng;

    use super::*;
    use crate::chaos::effects;

    #[test]
    fn one_seed_draws_the_same_tasks_again() {
        let draw = |seed| {
            let mut dice = StdRng::seed_from_u64(seed);
            (0..200).map(|n| draw(n, &mut dice, Path::new("/e")).body).collect::<Vec<_>>()
        };
        assert_eq!(draw(42), draw(42));
        assert_ne!(draw(42), draw(43));
    }

    #[test]
    fn the_shares_of_the_mix_are_percent() {
        assert_eq!(MIX.iter().map(|(_, share)| share).sum::<u32>(), 100);
    }

    #[test]
    fn a_command_says_its_start_and_its_end_with_its_exit_code() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let task = uuid::Uuid::nil().to_string();
        let ended = Command::new("/bin/sh")
            .args(["-c", &with_effects("echo out; (exit 4)", file.path())])
            .envs([("DISTRACK_TASK_ID", task.as_str()), ("DISTRACK_EPOCH", "7")])
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(4));
        assert_eq!(ended.stdout, b"out\n");
        let read = effects::read(&std::fs::read_to_string(file.path()).unwrap());
        assert!(read.malformed.is_empty(), "{read:?}");
        let run = &read.runs[0];
        assert_eq!((run.task.as_str(), run.epoch, run.ended.unwrap().1), (task.as_str(), 7, 4));
    }
}
