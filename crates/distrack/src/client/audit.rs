//! `distrack audit`: who submitted, cancelled and retried what, and from where.

use clap::{Arg, Command};
use distrack_core::TaskId;
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::args::{Args, instant};
use super::failure::Failure;
use super::output::{self, Format, cell};
use crate::say::say;
use crate::settings::values;

/// The most entries that the API puts on one page.
const PAGE: usize = 1000;

/// Which entries.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    filters: Vec<(&'static str, String)>,
    limit: usize,
}

/// The command line.
pub(crate) fn command() -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("audit")
        .about("Show who submitted, cancelled and retried tasks, newest first")
        .long_about(
            "Shows who submitted, cancelled and retried tasks, from which address and with which token, newest first, and \
             which tokens were made and revoked. A batch has one line, with its first task. Entries are kept for the coordinators' audit_retention.",
        )
        .after_help(
            "Examples:\n  distrack audit --task=0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00\n  distrack audit \
             --since=2030-01-31T00:00:00Z --limit=1000 -o json",
        )
        .arg(flag("task", "TASK_ID", "Only what concerns this task"))
        .arg(flag("since", "INSTANT", "Only what was done at or after this instant"))
        .arg(flag("limit", "N", "At most so many").default_value("50"))
}

/// Reads the flags.
pub(crate) fn read(mut args: Args<'_>) -> Option<Audit> {
    let id = |text: &str| text.parse::<TaskId>().map_err(|_| "must be a task id, which is a UUID".to_owned());
    let task = args.one("task", id).map(|task| task.to_string());
    let since = args.one("since", instant).map(|since| since.to_rfc3339());
    let limit = args.one("limit", |text| values::number(text, 1, 1_000_000));
    let filters = [("task", task), ("since", since)];
    let filters = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Some(Audit { filters, limit: usize::try_from(limit?).ok()? })
}

impl Audit {
    /// Lists.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<(), Failure> {
        let mut entries: Vec<Value> = Vec::new();
        let mut cursor = None;
        loop {
            let asked: Option<String> = cursor.take();
            let answer = self.page(api, self.limit - entries.len(), asked.clone()).await?;
            let mut page = answer.json()?;
            let next = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            let found = page.get_mut("entries").and_then(Value::as_array_mut).map(std::mem::take);
            let found = found.unwrap_or_default();
            // A cursor that leads nowhere would go round for ever.
            let last = next.is_none() || next == asked || entries.len() + found.len() >= self.limit;
            entries.extend(found);
            if last {
                return show(format, &entries, next.as_deref());
            }
            cursor = next;
        }
    }

    async fn page(&self, api: &Api, left: usize, cursor: Option<String>) -> Result<Answer, Failure> {
        let mut query = self.filters.clone();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        api.get(&["v1", "audit"], &query).await
    }
}

fn show(format: Format, entries: &[Value], next: Option<&str>) -> Result<(), Failure> {
    match format {
        Format::Json => output::line(&json!({"entries": entries, "next_cursor": next}).to_string()),
        Format::Table if entries.is_empty() => output::line("no entries"),
        Format::Table => {
            output::line(&table(entries))?;
            if next.is_some() {
                say(format_args!("distrack: these are the newest {}; --limit=N shows more", entries.len()));
            }
            Ok(())
        }
    }
}

fn table(entries: &[Value]) -> String {
    let row = |entry: &Value| {
        let token = entry.get("token").map_or_else(|| "-".to_owned(), |token| cell(token, "name"));
        let [at, action, task, count] = ["at", "action", "task_id", "count"].map(|name| cell(entry, name));
        let [queue, address, hash] = ["queue", "address", "command_sha256"].map(|name| cell(entry, name));
        vec![at, action, task, count, queue, token, address, output::short(&hash, 13)]
    };
    let head = ["AT", "ACTION", "TASK ID", "TASKS", "QUEUE", "TOKEN", "ADDRESS", "COMMAND SHA-256"];
    output::table(&head, &entries.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line_and_a_name_cannot_steer_the_terminal() {
        let entry = json!({
            "at": "2030-01-31T09:30:00.000Z", "action": "submit", "task_id": "T", "count": 3, "queue": null,
            "token": {"id": "i", "name": "\u{1b}[2Jci"}, "address": "10.0.0.1", "command_sha256": "0".repeat(64),
        });
        let shown = table(&[entry]);
        let line = shown.lines().nth(1).unwrap();
        let cells: Vec<_> = line.split_whitespace().collect();
        let hash = "000000000000…";
        let expected =
            ["2030-01-31T09:30:00.000Z", "submit", "T", "3", "-", "\\u{1b}[2Jci", "10.0.0.1", hash];
        assert_eq!(cells, expected);
    }
}
