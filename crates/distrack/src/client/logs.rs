//! `distrack logs`: what a task printed, standard output to standard output and standard error to standard
//! error. Bytes are as they are, but on a terminal, which they must not steer.

use std::io::{self, IsTerminal};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, ArgAction, Command};
use distrack_core::TaskId;
use serde::Deserialize;
use serde_json::Value;

use super::api::{Answer, Api};
use super::args::Args;
use super::failure::Failure;
use super::output::{self, Format};
use super::view::{self, Pause, task_argument};
use crate::exits;
use crate::say::say;
use crate::settings::values;

/// Which output.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    task: TaskId,
    attempt: Option<u32>,
    streams: Streams,
    follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Streams {
    Both,
    Stdout,
    Stderr,
}

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("logs")
        .about("Print what a task printed")
        .long_about(
            "Prints what the last attempt of a task printed, standard output and standard error apart, bytes as \
             they are; to a terminal, control characters are written as escapes, colours too. The scheduler keeps the first and the last 64 KiB of each; a worker's output_dir has the rest.",
        )
        .after_help(
            "Examples:\n  distrack logs 0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00\n  distrack logs --follow ID\n  \
             distrack logs --attempt=1 --stream=stderr ID",
        )
        .arg(task_argument(1))
        .arg(
            Arg::new("attempt")
                .long("attempt")
                .value_name("N")
                .help("This attempt instead of the last one, from 1"),
        )
        .arg(
            Arg::new("stream")
                .long("stream")
                .value_name("STREAM")
                .default_value("both")
                .help("stdout, stderr or both"),
        )
        .arg(
            Arg::new("follow")
                .long("follow")
                .short('f')
                .action(ArgAction::SetTrue)
                .help("Wait until the task has ended; each attempt's output is printed when the attempt has ended"),
        )
}

/// Reads the flags.
pub(crate) fn read(mut args: Args<'_>) -> Option<Logs> {
    let task = args.task();
    let attempt = args.one("attempt", |text| {
        u32::try_from(values::number(text, 1, i64::from(u32::MAX))?).map_err(|error| error.to_string())
    });
    let streams = args.one("stream", |text| match text {
        "both" => Ok(Streams::Both),
        "stdout" => Ok(Streams::Stdout),
        "stderr" => Ok(Streams::Stderr),
        _ => Err("must be stdout, stderr or both".to_owned()),
    });
    Some(Logs { task: task?, attempt, streams: streams?, follow: args.is_on("follow") })
}

/// What the API says of an attempt's output.
#[derive(Deserialize)]
struct Output {
    attempt: u32,
    complete: bool,
    stdout: Stream,
    stderr: Stream,
}

#[derive(Deserialize)]
struct Stream {
    omitted: u64,
    encoding: String,
    head: String,
    tail: String,
}

/// What the API says of attempts, as far as it matters here.
#[derive(Deserialize)]
struct Attempts {
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    attempt: u32,
    epoch: i64,
    finished_at: Option<String>,
}

impl Logs {
    /// Prints it.
    pub(crate) async fn run(self, api: &Api, format: Format) -> Result<(), Failure> {
        let id = self.task.to_string();
        match (self.follow, self.attempt, format) {
            (false, ..) => {}
            (true, None, Format::Table) => return self.follow(api, &id).await,
            (true, Some(attempt), _) => attempt_ended(api, &id, attempt).await?,
            (true, None, Format::Json) => {
                // Once without patience: a server that never answered is no outage.
                view::task(api, &id).await?;
                view::ended(api, &id, None).await?;
            }
        }
        let answer = fetch(api, &id, self.attempt).await?;
        if format == Format::Json {
            return output::json(&answer);
        }
        let found: Output = answer.read()?;
        if !found.complete {
            say("distrack: the task has not ended an attempt yet; --follow waits for it");
        }
        print(&found, self.streams)
    }

    /// Prints each attempt's output once it has ended, until the task has.
    async fn follow(&self, api: &Api, id: &str) -> Result<(), Failure> {
        let mut printed = 0;
        let mut pause = Pause::default();
        loop {
            // The task first: once it has ended, no attempt comes after those found next.
            let has_ended = view::has_ended(&view::task(api, id).await?.json()?);
            for attempt in attempts(api, id).await? {
                if attempt.epoch <= printed || attempt.finished_at.is_none() {
                    continue;
                }
                printed = attempt.epoch;
                match fetch(api, id, Some(attempt.attempt)).await {
                    Ok(answer) => print(&answer.read()?, self.streams)?,
                    // An attempt that was lost has left nothing.
                    Err(Failure::Said { code: exits::NOT_FOUND, .. }) => {}
                    Err(failure) => return Err(failure),
                }
            }
            if has_ended {
                return Ok(());
            }
            pause.wait(None).await;
        }
    }
}

/// Prints what the last attempt of a task that has ended printed, if it left anything.
pub(crate) async fn print_last(api: &Api, id: &str, task: &Value) -> Result<(), Failure> {
    if task.get("attempt").and_then(Value::as_u64).unwrap_or(0) == 0 {
        return Ok(());
    }
    match fetch(api, id, None).await {
        Ok(answer) => print(&answer.read()?, Streams::Both),
        // An attempt that was lost has left nothing.
        Err(failure) if failure.code() == exits::NOT_FOUND => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn fetch(api: &Api, id: &str, attempt: Option<u32>) -> Result<Answer, Failure> {
    let query: Vec<_> = attempt.map(|attempt| ("attempt", attempt.to_string())).into_iter().collect();
    api.get(&["v1", "tasks", id, "output"], &query).await
}

async fn attempts(api: &Api, id: &str) -> Result<Vec<Attempt>, Failure> {
    let answer = api.get(&["v1", "tasks", id, "attempts"], &[]).await?;
    Ok(answer.read::<Attempts>()?.attempts)
}

async fn attempt_ended(api: &Api, id: &str, attempt: u32) -> Result<(), Failure> {
    let mut pause = Pause::default();
    loop {
        let task_has_ended = view::has_ended(&view::task(api, id).await?.json()?);
        let found = attempts(api, id).await?;
        let is_past = |one: &Attempt| one.attempt >= attempt && one.finished_at.is_some();
        if task_has_ended || found.iter().any(is_past) {
            return Ok(());
        }
        pause.wait(None).await;
    }
}

fn print(found: &Output, streams: Streams) -> Result<(), Failure> {
    if streams != Streams::Stderr {
        let out = io::stdout();
        let write = writer(out.is_terminal());
        stream(&mut out.lock(), write, &found.stdout, "standard output", found.attempt)?;
    }
    if streams != Streams::Stdout {
        let err = io::stderr();
        let write = writer(err.is_terminal());
        stream(&mut err.lock(), write, &found.stderr, "standard error", found.attempt)?;
    }
    Ok(())
}

/// How bytes of a command are written.
type Write = fn(&mut dyn io::Write, &[u8]) -> io::Result<()>;

fn writer(to_terminal: bool) -> Write {
    if to_terminal {
        |to, bytes| output::bytes(to, output::plain_lines(bytes).as_bytes())
    } else {
        output::bytes
    }
}

fn stream(
    to: &mut dyn io::Write,
    write: Write,
    stream: &Stream,
    name: &str,
    attempt: u32,
) -> Result<(), Failure> {
    write(to, &decode(&stream.encoding, &stream.head)?)?;
    if stream.omitted > 0 {
        say(format_args!(
            "distrack: {} bytes of attempt {attempt}'s {name} are left out here; the worker's output_dir has them",
            stream.omitted
        ));
    }
    write(to, &decode(&stream.encoding, &stream.tail)?)?;
    Ok(())
}

fn decode(encoding: &str, text: &str) -> Result<Vec<u8>, Failure> {
    match encoding {
        "utf-8" => Ok(text.as_bytes().to_vec()),
        "base64" => STANDARD
            .decode(text)
            .map_err(|error| Failure::new(exits::FAILED, format!("the output cannot be read: {error}"))),
        other => {
            Err(Failure::new(exits::FAILED, format!("the output is encoded as {other}, which is unknown")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_printed_steers_no_terminal_and_is_unchanged_in_a_pipe() {
        let printed = Stream {
            omitted: 0,
            encoding: "base64".to_owned(),
            head: STANDARD.encode(b"\x1b[2Ja\n"),
            tail: STANDARD.encode(b"\xff\r"),
        };
        let shown = |to_terminal| {
            let mut out = Vec::new();
            stream(&mut out, writer(to_terminal), &printed, "standard output", 1).ok().unwrap();
            out
        };
        assert_eq!(shown(false), b"\x1b[2Ja\n\xff\r");
        assert_eq!(String::from_utf8(shown(true)).unwrap(), "\\u{1b}[2Ja\n\u{fffd}\\r");
    }
}
