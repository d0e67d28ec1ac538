//! `distrack why`: why a task stands as it does, each reason with what would change it.

use clap::Command;
use distrack_core::TaskId;
use serde_json::Value;

use super::api::Api;
use super::args::Args;
use super::failure::Failure;
use super::output::{self, Format, cell};
use super::view::task_argument;

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("why")
        .about("Say why a task waits, what it is doing, or what happened to it")
        .long_about(
            "Says why a task stands as it does: for a waiting one each reason, for a held one what it is doing, for one \
             that has ended what happened; and after each arrow, what would change it. From the database alone.",
        )
        .after_help("Examples:\n  distrack why 0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00\n  distrack why -o json ID")
        .arg(task_argument(1))
}

/// Whose reasons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Why(TaskId);

/// Reads the flags.
pub(crate) fn read(mut args: Args<'_>) -> Option<Why> {
    args.task().map(Why)
}

impl Why {
    /// Asks and shows.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<(), Failure> {
        let answer = api.get(&["v1", "tasks", &self.0.to_string(), "why"], &[]).await?;
        match format {
            Format::Json => output::json(&answer),
            Format::Table => output::line(&told(&answer.json()?)),
        }
    }
}

/// The summary; and the reasons below it, unless the only one says the same and nothing can be done about it.
fn told(why: &Value) -> String {
    let summary = cell(why, "summary");
    let reasons = why.get("reasons").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut lines = vec![format!("{} {summary}", cell(why, "task_id"))];
    let repeats = |reason: &Value| summary.ends_with(&cell(reason, "text"));
    if let [only] = reasons
        && repeats(only)
    {
        lines.extend(change(only, 2));
        return lines.join("\n");
    }
    let width = reasons.len().to_string().len();
    for (reason, number) in reasons.iter().zip(1..) {
        lines.push(format!("{number:>width$}. {}", cell(reason, "text"), width = width + 2));
        lines.extend(change(reason, width + 4));
    }
    lines.join("\n")
}

fn change(reason: &Value, indent: usize) -> Option<String> {
    let change = cell(reason, "change");
    (change != "-").then(|| format!("{:indent$}-> {change}", ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_single_reason_is_said_once() {
        let reason = json!({"code": "not_due", "text": "it is not due for 41 s", "change": "its time"});
        let mut why =
            json!({"task_id": "T", "summary": "waiting: it is not due for 41 s", "reasons": [reason]});
        assert_eq!(told(&why), "T waiting: it is not due for 41 s\n  -> its time");
        why["reasons"][0]["change"] = Value::Null;
        assert_eq!(told(&why), "T waiting: it is not due for 41 s");
    }

    #[test]
    fn several_reasons_are_numbered_in_their_order() {
        let reasons = json!([
            {"text": "all 8 slots are busy", "change": "the end of a command"},
            {"text": "312 tasks are before it", "change": null},
        ]);
        let why = json!({"task_id": "T", "summary": "waiting: all 8 slots are busy", "reasons": reasons});
        let expected = "T waiting: all 8 slots are busy\n  1. all 8 slots are busy\n     -> the end of a command\n  2. 312 tasks are before it";
        assert_eq!(told(&why), expected);
    }
}
