//! `distrack submit`: sends a command, and with `--wait` stands in for it: its output and its exit code.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, Command};
use distrack_core::{FieldError, NewTask, OnLost, Secret, TaskDraft, TaskId, TraceContext};
use serde_json::{Map, Value, json};

use super::api::Api;
use super::args::{Args, instant};
use super::failure::Failure;
use super::output::{self, Format};
use super::{logs, view};
use crate::exits;
use crate::say::say;
use crate::settings::{Environment, values};

/// A command to send.
#[derive(Clone, Debug)]
pub(crate) struct Submit {
    body: Value,
    secrets: BTreeMap<String, Secret>,
    key: Option<String>,
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait(Option<Duration>);

/// The command line.
pub(crate) fn command() -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let many = |arg: Arg| arg.action(ArgAction::Append);
    Command::new("submit")
        .about("Schedule a command; with --wait also print what it prints and exit as it does")
        .long_about(
            "Schedules a command and prints its task id. One word after -- is a line for /bin/sh; several words \
             are a program and its arguments, run without a shell, so that nothing in them is expanded. With \
             --shell, several words are joined by spaces into a line for /bin/sh.",
        )
        .after_help(
            "Examples:\n  distrack submit -- 'echo hello | tr a-z A-Z'\n  distrack submit --delay=10s -- rsync -a \
             /data /backup\n  distrack submit --at=2030-01-31T09:30:00Z --retries=3 -- ./report.sh\n  distrack \
             submit --wait=1m -- make test && echo passed",
        )
        .arg(flag("delay", "DURATION", "When to run: this long from now; a bare number means seconds"))
        .arg(flag("at", "INSTANT", "When to run: at this instant, such as 2030-01-31T09:30:00Z"))
        .arg(
            flag("wait", "DURATION", "Wait until it has ended, at most for --wait=DURATION; see Exit codes in distrack --help")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value(""),
        )
        .arg(flag("queue", "QUEUE", "The queue to wait in [default: default]"))
        .arg(flag("priority", "N", "-100 to 100, higher first [default: 0]").allow_hyphen_values(true))
        .arg(many(flag("label", "KEY=VALUE", "A mark to list by; may be given several times")))
        .arg(many(flag("require", "KEY=VALUE", "A label that the worker must have; may be given several times")))
        .arg(many(flag("env", "NAME=VALUE", "A variable for the command; may be given several times")))
        .arg(many(flag(
            "env-secret",
            "NAME[=@FILE]",
            "A variable that nobody is shown, with its value here in distrack's own environment, or a file's text \
             without its last line break; may be given several times",
        )))
        .arg(flag("cwd", "DIR", "The directory to run in, on the worker"))
        .arg(flag("timeout", "DURATION", "How long it may run [default: 1h]"))
        .arg(flag("retries", "N", "How often to try again after a failure [default: 0]"))
        .arg(flag(
            "on-lost",
            "WHAT",
            "When its worker is lost: retry (it may run twice) or fail (it never runs twice) [default: retry]",
        ))
        .arg(flag("idempotency-key", "KEY", "The same key and command again is the same task, for 24 hours"))
        .arg(
            Arg::new("shell")
                .long("shell")
                .action(ArgAction::SetTrue)
                .help("Join the words after -- into one line for /bin/sh"),
        )
        .arg(Arg::new("command").value_name("COMMAND").num_args(0..).last(true).help("What to run"))
}

/// Reads the flags.
pub(crate) fn read(mut args: Args<'_>, environment: &Environment) -> Option<Submit> {
    let mut draft = TaskDraft {
        delay_seconds: args.one("delay", values::seconds).map(|delay| delay.as_secs_f64()),
        scheduled_at: args.one("at", instant),
        queue: args.text("queue"),
        priority: args.one("priority", |text| whole(text, -100, 100)),
        env: pairs(&mut args, "env"),
        env_secret: secrets(&mut args, environment),
        cwd: args.text("cwd"),
        timeout: args.one("timeout", values::seconds),
        max_attempts: args.one("retries", |text| whole::<u32>(text, 0, 99)).map(|retries| retries + 1),
        on_lost: args.one("on-lost", on_lost),
        labels: pairs(&mut args, "label"),
        requires: pairs(&mut args, "require"),
        ..TaskDraft::default()
    };
    let words = args.texts("command");
    match words.as_slice() {
        [] => args
            .problems()
            .add("the command is missing; put it after --, as in: distrack submit -- echo hello"),
        [line] => draft.command = Some(line.clone()),
        words if args.is_on("shell") => draft.command = Some(words.join(" ")),
        words => draft.argv = Some(words.to_vec()),
    }
    if !words.is_empty()
        && let Err(errors) = NewTask::parse(draft.clone(), TaskId::new(), TraceContext::root())
    {
        errors.iter().for_each(|error| args.problems().add(in_flags(error)));
    }
    let key = args.one("idempotency-key", |text| {
        let good = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(text.to_owned()) } else { Err("must be 1 to 255 visible ASCII characters".to_owned()) }
    });
    let wait = args.one("wait", |text| {
        let limit = if text.is_empty() { None } else { Some(values::seconds(text)?) };
        Ok(Wait(limit))
    });
    let secrets = std::mem::take(&mut draft.env_secret);
    Some(Submit { body: body(draft), secrets, key, wait })
}

fn whole<T: TryFrom<i64>>(text: &str, least: i64, most: i64) -> Result<T, String> {
    let number = values::number(text, least, most)?;
    T::try_from(number).map_err(|_| format!("must be a whole number from {least} to {most}"))
}

fn on_lost(text: &str) -> Result<OnLost, String> {
    match text {
        "retry" => Ok(OnLost::Retry),
        "fail" => Ok(OnLost::Fail),
        _ => Err("must be retry or fail".to_owned()),
    }
}

fn pairs(args: &mut Args<'_>, name: &str) -> BTreeMap<String, String> {
    args.many(name, values::pair).into_iter().collect()
}

/// Reads secrets from where they are. A value on a command line is there for everybody on the machine to see, and
/// is not said again.
fn secrets(args: &mut Args<'_>, environment: &Environment) -> BTreeMap<String, Secret> {
    let mut found = BTreeMap::new();
    for text in args.texts("env-secret") {
        let (name, secret) = match text.split_once('=') {
            None => (text.as_str(), environment.get(&text).map(str::to_owned).ok_or_else(|| {
                "is not in the environment of this command, or empty or no UTF-8 there".to_owned()
            })),
            Some((name, from)) => (name, match from.strip_prefix('@') {
                Some(path) => file(path),
                None => Err("takes no value here, where others on this machine can see it: give NAME alone, with \
                             the value in this command's environment, or NAME=@FILE".to_owned()),
            }),
        };
        match secret {
            Ok(secret) => drop(found.insert(name.to_owned(), Secret::new(secret))),
            Err(message) => args.problems().add(format!("--env-secret={}: {message}", name.escape_debug())),
        }
    }
    found
}

fn file(path: &str) -> Result<String, String> {
    // The error of a text that is no UTF-8 does not quote it.
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.escape_debug()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// What the API says of a field, said of the flag that fills it.
fn in_flags(error: &FieldError) -> String {
    let (field, rest) =
        error.field.find(['.', '[']).map_or((&*error.field, ""), |at| error.field.split_at(at));
    let flag = match field {
        "command" | "argv" => return format!("the command {}", error.message),
        "delay_seconds" => "--delay",
        "scheduled_at" if error.message.starts_with("give either") => {
            return "give either --delay or --at, not both".to_owned();
        }
        "scheduled_at" => "--at",
        "max_attempts" => "--retries",
        "labels" => "--label",
        "env_secret" => "--env-secret",
        "requires" => "--require",
        other => return format!("--{other}{rest}: {}", error.message),
    };
    format!("{flag}{rest}: {}", error.message)
}

fn body(draft: TaskDraft) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| value.map(|value| body.insert(name.to_owned(), value));
    put("command", draft.command.map(Value::from));
    put("argv", draft.argv.map(Value::from));
    put("delay_seconds", draft.delay_seconds.map(Value::from));
    put("scheduled_at", draft.scheduled_at.map(|at| at.to_rfc3339().into()));
    put("queue", draft.queue.map(Value::from));
    put("priority", draft.priority.map(Value::from));
    put("cwd", draft.cwd.map(Value::from));
    put("timeout", draft.timeout.map(|timeout| timeout.as_secs_f64().into()));
    put("max_attempts", draft.max_attempts.map(Value::from));
    put("on_lost", draft.on_lost.map(|on_lost| json!(on_lost)));
    for (name, pairs) in [("env", draft.env), ("labels", draft.labels), ("requires", draft.requires)] {
        put(name, (!pairs.is_empty()).then(|| json!(pairs)));
    }
    Value::Object(body)
}

impl Submit {
    /// Sends it, and waits if that was asked for.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<u8, Failure> {
        let mut body = self.body;
        if !self.secrets.is_empty() {
            let secrets = self.secrets.into_iter().map(|(name, secret)| (name, secret.into_exposed().into()));
            body["env_secret"] = Value::Object(secrets.collect());
        }
        let answer = api.post(&["v1", "tasks"], Some(&body), self.key.as_deref()).await?;
        let id = output::cell(&answer.json()?, "task_id");
        // From here on there is a task, and whatever goes wrong must not lose its id.
        let Some(wait) = self.wait else {
            let written = match format {
                Format::Json => output::json(&answer),
                Format::Table => output::line(&id),
            };
            return match written {
                Ok(()) => Ok(exits::OK),
                Err(failure) => Ok(accepted(&id, &failure)),
            };
        };
        say(format_args!("task {id}"));
        match wait.for_end(api, &id, format).await {
            Ok(code) => Ok(code),
            Err(failure) => {
                accepted(&id, &failure);
                Ok(exits::SUBMIT_FAILED)
            }
        }
    }
}

/// Says what went wrong after a task was accepted, and which one that is.
fn accepted(id: &str, failure: &Failure) -> u8 {
    let code = failure.say();
    say(format_args!("distrack: task {id} was accepted; see distrack status {id}"));
    code
}

impl Wait {
    /// Waits, shows what the task printed, and returns the exit code that stands for it.
    async fn for_end(self, api: &Api, id: &str, format: Format) -> Result<u8, Failure> {
        let deadline = self.0.and_then(|limit| Instant::now().checked_add(limit));
        let Some(answer) = view::ended(api, id, deadline).await? else {
            say(format_args!(
                "distrack: task {id} has not ended yet; see distrack status {id}, or stop it: distrack cancel {id}"
            ));
            return Ok(exits::SUBMIT_WAITED);
        };
        let task = answer.json()?;
        let shown = match format {
            Format::Json => output::json(&answer),
            Format::Table => logs::print_last(api, id, &task).await,
        };
        match shown {
            // Who stops reading still asked for the exit code.
            Ok(()) | Err(Failure::Unread) => Ok(verdict(id, &task)),
            Err(failure) => Err(failure),
        }
    }
}

/// The exit code that stands for a task; says on standard error what the code alone does not tell.
fn verdict(id: &str, task: &Value) -> u8 {
    let number = |name| task.get(name).and_then(Value::as_i64);
    let completed = task.get("state").and_then(Value::as_str) == Some("completed");
    let (exit_code, signal) = (number("exit_code"), number("signal"));
    if !completed && output::cell(task, "cause") != "exit_code" {
        let [state, error] = ["state", "error"].map(|name| output::cell(task, name));
        say(format_args!("distrack: task {id} {state}: {error}"));
    }
    exits::of_command(completed, exit_code, signal)
}
