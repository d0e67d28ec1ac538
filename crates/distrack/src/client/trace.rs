//! `distrack trace`: a task's way as a waterfall in the terminal, with the spans of its traces where a Jaeger has them.

mod browser;

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use clap::{Arg, ArgAction, Command};
use distrack_core::TaskId;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::api::Api;
use super::args::Args;
use super::failure::Failure;
use super::output::{self, Format, plain};
use super::spans::{self, Found, Limits, Span};
use super::terminal::Terminal;
use super::view::task_argument;
use super::waterfall::{self, Kind, Row};
use crate::exits;
use crate::say::say;
use crate::settings::Environment;

/// The most traces of one task that a Jaeger is asked for, the latest ones.
const MOST_TRACES: usize = 8;

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("trace")
        .about("Draw a task's way from its submission to its end, and show its traces")
        .long_about(
            "Draws each phase of a task as a bar: when it was accepted, how long it waited for its time and for a \
             slot, when its worker had it, how long it ran. From the database alone. If the scheduler knows a Jaeger \
             (its setting jaeger_url) and that answers, the spans of the task's traces are drawn below, those of the \
             command too.",
        )
        .after_help(
            "Examples:\n  distrack trace 0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00\n  distrack trace --open ID\n  \
             distrack trace -o json ID",
        )
        .arg(task_argument(1))
        .arg(
            Arg::new("open")
                .long("open")
                .action(ArgAction::SetTrue)
                .help("Open the last attempt's trace in the browser; says its URL where there is none"),
        )
}

/// Whose way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    task: TaskId,
    open: bool,
    terminal: Terminal,
}

/// Reads the flags.
pub(crate) fn read(mut args: Args<'_>, environment: &Environment) -> Option<Trace> {
    let (task, open) = (args.task(), args.is_on("open"));
    Some(Trace { task: task?, open, terminal: Terminal::stdout(environment) })
}

/// What the API says.
#[derive(Deserialize)]
struct Told {
    task_id: String,
    submission: Traced,
    attempts: Vec<Traced>,
    timeline: Vec<Step>,
}

/// A submission's trace, or an attempt's.
#[derive(Deserialize)]
struct Traced {
    attempt: Option<u32>,
    trace_id: Option<String>,
    mode: Option<String>,
    sampled: bool,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Step {
    phase: String,
    attempt: Option<u32>,
    started_at: String,
    ended_at: Option<String>,
    duration_seconds: f64,
}

impl Trace {
    /// Draws it.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<(), Failure> {
        let answer = api.get(&["v1", "tasks", &self.task.to_string(), "trace"], &[]).await?;
        let told: Told = answer.read()?;
        match format {
            Format::Json => output::json(&answer)?,
            Format::Table => {
                let found = told.found().await;
                let missing = missing(&found);
                output::line(&told.drawn(&drawable(found), self.terminal))?;
                missing.iter().for_each(|line| say(format_args!("distrack: {line}")));
            }
        }
        if self.open { browser::open(told.page()?).await } else { Ok(()) }
    }
}

impl Told {
    /// The submission's trace and each attempt's.
    fn traces(&self) -> impl DoubleEndedIterator<Item = &Traced> {
        std::iter::once(&self.submission).chain(&self.attempts)
    }

    /// The address of the latest trace that has spans to show.
    fn page(&self) -> Result<&str, Failure> {
        let mut linked = self.traces().rev().filter(|traced| traced.url.is_some()).peekable();
        let why = match linked.peek() {
            Some(_) => {
                "there is nothing to open: the task's traces are not sampled, so no Jaeger has their spans"
            }
            None => "there is no URL to open: the scheduler's setting jaeger_url names no Jaeger",
        };
        let page = linked.filter(|traced| traced.sampled).find_map(|traced| traced.url.as_deref());
        page.ok_or_else(|| Failure::new(exits::FAILED, why))
    }

    /// What a Jaeger has of each trace that is kept, the latest traces, in their order.
    async fn found(&self) -> Vec<(String, Found)> {
        let mut known = BTreeSet::new();
        let kept = self.traces().rev().filter(|traced| traced.sampled);
        let kept = kept.filter_map(|traced| Some((traced.trace_id.clone()?, traced.url.clone()?)));
        let mut asked: Vec<_> = kept.filter(|(id, _)| known.insert(id.clone())).take(MOST_TRACES).collect();
        asked.reverse();
        let mut answers = JoinSet::new();
        for (order, (id, url)) in asked.into_iter().enumerate() {
            let task = self.task_id.clone();
            answers.spawn(async move {
                let found = spans::of(&url, &id, &task, Limits::default()).await;
                (order, id, found)
            });
        }
        let mut found = answers.join_all().await;
        found.sort_by_key(|(order, ..)| *order);
        found.into_iter().map(|(_, id, found)| (id, found)).collect()
    }

    fn drawn(&self, spans: &[(String, Vec<Span>)], terminal: Terminal) -> String {
        let mut lines = vec![format!("task {}", plain(&self.task_id))];
        lines.extend(self.timeline.first().map(|first| format!("submitted at {}", plain(&first.started_at))));
        lines.extend(self.traces().filter_map(Traced::told));
        let mut rows: Vec<Row> = self.timeline.iter().filter_map(Step::row).collect();
        let phases = rows.len();
        for (_, spans) in spans {
            rows.extend(spans.iter().take(spans::MOST).map(row));
        }
        let drawing = waterfall::draw(&rows, terminal);
        let mut drawn = drawing.lines();
        lines.push(String::new());
        lines.extend(drawn.by_ref().take(phases).map(str::to_owned));
        for (id, spans) in spans {
            let shown = spans.len().min(spans::MOST);
            lines.push(terminal.paint(&format!("spans of trace {}", plain(id)), 2));
            lines.extend(drawn.by_ref().take(shown).map(str::to_owned));
            if shown < spans.len() {
                lines.push(format!("and {} more", spans.len() - shown));
            }
        }
        lines.extend(drawn.map(str::to_owned));
        lines.join("\n")
    }
}

impl Traced {
    /// A line about it; none for an attempt in the trace of the submission, which has one.
    fn told(&self) -> Option<String> {
        let whose = match (self.attempt, self.mode.as_deref()) {
            (None, _) => "submission".to_owned(),
            (Some(attempt), Some("child")) => {
                return Some(format!("attempt {attempt}: in the submission's trace"));
            }
            (Some(attempt), _) => format!("attempt {attempt}"),
        };
        let id = plain(self.trace_id.as_deref()?);
        let kept = if self.sampled { "" } else { ", not sampled" };
        let url = self.url.as_deref().map(|url| format!("  {}", plain(url))).unwrap_or_default();
        Some(format!("{whose}: trace {id}{kept}{url}"))
    }
}

impl Step {
    fn row(&self) -> Option<Row> {
        let from = DateTime::parse_from_rfc3339(&self.started_at).ok()?.timestamp_micros();
        let kind = match self.phase.as_str() {
            "running" => Kind::Run,
            "dispatched" => Kind::Way,
            _ => Kind::Wait,
        };
        let phase = plain(&self.phase);
        let label = match self.attempt {
            Some(attempt) => format!("#{attempt} {phase}"),
            None => phase,
        };
        let lasted = std::time::Duration::try_from_secs_f64(self.duration_seconds).unwrap_or_default();
        let lasted = i64::try_from(lasted.as_micros()).unwrap_or(i64::MAX);
        Some(Row { label, kind, from, lasted, goes_on: self.ended_at.is_none() })
    }
}

/// The spans of each trace that has some.
fn drawable(found: Vec<(String, Found)>) -> Vec<(String, Vec<Span>)> {
    let spans = found.into_iter().map(|(id, found)| (id, found.spans));
    spans.filter(|(_, spans)| !spans.is_empty()).collect()
}

/// What no Jaeger gave, a line for each reason: the traces of a task often share one.
fn missing(found: &[(String, Found)]) -> Vec<String> {
    let mut traces: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (id, found) in found {
        if let Some(missing) = &found.missing {
            traces.entry(missing).or_default().push(id.clone());
        }
    }
    traces.into_iter().map(|(missing, traces)| missing.of(&traces)).collect()
}

fn row(span: &Span) -> Row {
    let kind = if span.failed { Kind::Error } else { Kind::Span };
    let label = format!("{:indent$}{}", "", span.label, indent = 2 + 2 * span.depth.min(10));
    Row { label, kind, from: span.from, lasted: span.lasted, goes_on: false }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
