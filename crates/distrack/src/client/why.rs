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

/// The summary, and below it each reason that it does not tell already.
fn told(why: &Value) -> String {
    let summary = cell(why, "summary");
    let reasons = why.get("reasons").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut lines = vec![format!("{} {summary}", cell(why, "task_id"))];
    for (at, reason) in reasons.iter().enumerate() {
        let text = cell(reason, "text");
        match (summary.contains(&text), change(reason)) {
            (true, None) => {}
            (true, Some(change)) if at == 0 => lines.push(format!("  -> {change}")),
            (_, change) => {
                lines.push(format!("  - {text}"));
                lines.extend(change.map(|change| format!("    -> {change}")));
            }
        }
    }
    lines.join("\n")
}

fn change(reason: &Value) -> Option<String> {
    Some(cell(reason, "change")).filter(|change| change != "-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_summary_tells_is_not_told_again() {
        let reasons = json!([
            {"text": "all 8 slots are busy", "change": "the end of a command"},
            {"text": "312 tasks are before it", "change": "more slots"},
            {"text": "it expires in 20 s", "change": null},
        ]);
        let why = json!({"task_id": "T", "summary": "waiting: all 8 slots are busy", "reasons": reasons});
        let expected = "T waiting: all 8 slots are busy\n  -> the end of a command\n  - 312 tasks are before it\n    \
                        -> more slots\n  - it expires in 20 s";
        assert_eq!(told(&why), expected);
        let reasons = json!([{"text": "completed; it started 3 s late", "change": null}, {"text": "it started 3 s late"}]);
        let why = json!({"task_id": "T", "summary": "completed; it started 3 s late", "reasons": reasons});
        assert_eq!(told(&why), "T completed; it started 3 s late");
    }
}
