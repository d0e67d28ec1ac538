//! `distrack list`: tasks, newest first, over as many pages as were asked for.

use clap::{Arg, ArgAction, Command};
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::args::{Args, instant};
use super::failure::Failure;
use super::output::{self, Format, cell};
use crate::say::say;
use crate::settings::values;

/// The most tasks that the API puts on one page.
const PAGE: usize = 1000;

/// Which tasks.
#[derive(Clone, Debug)]
pub(crate) struct List {
    filters: Vec<(&'static str, String)>,
    limit: usize,
}

/// The command line.
pub(crate) fn command() -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("list")
        .about("List tasks, newest first")
        .after_help(
            "Examples:\n  distrack list --state=failed --limit=20\n  distrack list --label=team=red \
             --created-after=2030-01-31T00:00:00Z -o json",
        )
        .arg(flag(
            "state",
            "STATE",
            "Only this state: pending, dispatched, running, completed, failed, cancelled or expired",
        ))
        .arg(flag("queue", "QUEUE", "Only this queue"))
        .arg(
            flag("label", "KEY=VALUE", "Only with this label; may be given several times")
                .action(ArgAction::Append),
        )
        .arg(flag("created-after", "INSTANT", "Only accepted after this instant"))
        .arg(flag("created-before", "INSTANT", "Only accepted before this instant"))
        .arg(flag("limit", "N", "At most so many").default_value("50"))
}

/// Reads the flags.
pub(crate) fn read(mut args: Args<'_>) -> Option<List> {
    let state =
        args.one("state", |text| text.parse::<distrack_core::TaskState>().map(|state| state.to_string()));
    let queue = args.one("queue", |text| text.parse::<distrack_core::QueueName>().map(String::from));
    let labels = args.many("label", |text| values::pair(text).map(|_| text.to_owned()));
    let mut instants = ["created-after", "created-before"].map(|name| args.one(name, instant));
    let [after, before] = instants.each_mut().map(|at| at.take().map(|at| at.to_rfc3339()));
    let limit = args.one("limit", |text| values::number(text, 1, 1_000_000));
    let single = [("state", state), ("queue", queue), ("created_after", after), ("created_before", before)];
    let mut filters: Vec<_> = single.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    filters.extend(labels.into_iter().map(|label| ("label", label)));
    Some(List { filters, limit: usize::try_from(limit?).ok()? })
}

impl List {
    /// Lists.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<(), Failure> {
        let mut tasks: Vec<Value> = Vec::new();
        let mut cursor = None;
        loop {
            let answer = self.page(api, self.limit - tasks.len(), cursor.take()).await?;
            let mut page = answer.json()?;
            let next = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            let found =
                page.get_mut("tasks").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
            let whole = tasks.is_empty();
            // An empty page with a cursor would go round for ever.
            let last = next.is_none() || found.is_empty() || tasks.len() + found.len() >= self.limit;
            tasks.extend(found);
            if last {
                return show(format, whole.then_some(&answer), &tasks, next.as_deref());
            }
            cursor = next;
        }
    }

    async fn page(&self, api: &Api, left: usize, cursor: Option<String>) -> Result<Answer, Failure> {
        let mut query = self.filters.clone();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        api.get(&["v1", "tasks"], &query).await
    }
}

/// `whole` is the API's answer when one page was all of it.
fn show(format: Format, whole: Option<&Answer>, tasks: &[Value], next: Option<&str>) -> Result<(), Failure> {
    match (format, whole) {
        (Format::Json, Some(answer)) => output::json(answer),
        (Format::Json, None) => output::line(&json!({"tasks": tasks, "next_cursor": next}).to_string()),
        (Format::Table, _) if tasks.is_empty() => output::line("no tasks"),
        (Format::Table, _) => {
            output::line(&table(tasks))?;
            if next.is_some() {
                say(format_args!("distrack: these are the newest {}; --limit=N shows more", tasks.len()));
            }
            Ok(())
        }
    }
}

fn table(tasks: &[Value]) -> String {
    let row = |task: &Value| {
        let command = match cell(task, "command") {
            none if none == "-" => cell(task, "argv"),
            command => command,
        };
        let mut row: Vec<_> = ["task_id", "state", "queue", "attempt", "exit_code", "scheduled_at", "worker"]
            .map(|name| cell(task, name))
            .into();
        row.push(output::short(&command, 60));
        row
    };
    let head = ["TASK ID", "STATE", "QUEUE", "ATTEMPT", "EXIT", "SCHEDULED AT", "WORKER", "COMMAND"];
    output::table(&head, &tasks.iter().map(row).collect::<Vec<_>>())
}
