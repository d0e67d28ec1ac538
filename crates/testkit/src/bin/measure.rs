//! `measure PROGRAM [telemetry [EXECUTOR] | against PROGRAM [EXECUTOR]]`: the figures of `docs/performance.md`, or what
//! telemetry costs alone, or how quick one program is beside another, as a Markdown table on standard output.
//!
//! Machines differ by a factor of two from one minute to the next. So every figure stands beside a loop that only
//! spawns `sh -c 'echo hello'`, run right before and right after it: the ratio is what can be compared.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, FixedOffset};
use distrack_testkit::{Api, Collector, Fleet, Postgres, TestDatabase, Up};
use futures::future::try_join_all;
use serde_json::{Value, json};

const USAGE: &str =
    "usage: measure PATH_OF_DISTRACK [telemetry [EXECUTOR] | against PATH_OF_ANOTHER [EXECUTOR]]";
/// Tasks of a drain, and how long after their submission began they are all due.
const DRAINED: usize = 6_000;
const DUE_IN: Duration = Duration::from_secs(8);
/// Tasks of the start delay, each due 0 to 5 s after its submission, and the pause between submissions.
const TIMED: usize = 1_000;
const LONGEST_DELAY_MS: usize = 5_000;
const PACE: Duration = Duration::from_millis(10);
/// What the spawn loop runs, and how many at a time.
const SPAWNS: usize = 2_000;
const AT_ONCE: usize = 4;
/// What is drained with and without telemetry: its name, and what runs it.
const KINDS: [(&str, &str); 2] = [("`sh -c 'echo hello'`", "process"), ("`noop`", "noop")];
/// Drains of each of two fleets.
const ROUNDS: usize = 7;
const LIMIT: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context(USAGE)?;
    // The processes run in folders of their own.
    let program = std::path::absolute(program)?;
    let server = Postgres::start()?;
    println!("| what | store | measured | spawn loop, same minute | ratio |\n|---|---|---|---|---|");
    let only = arguments.next();
    let before = match only.as_ref().map(|only| only.to_str()) {
        None | Some(Some("telemetry")) => None,
        Some(Some("against")) => Some(std::path::absolute(arguments.next().context(USAGE)?)?),
        Some(_) => bail!(USAGE),
    };
    if only.is_some() {
        let executor = arguments.next();
        let chosen = |(_, name): &&(&str, &str)| executor.as_ref().is_none_or(|executor| executor == name);
        let kinds: Vec<_> = KINDS.iter().filter(chosen).copied().collect();
        return match before {
            Some(before) => against(&program, &before, &server, &kinds).await,
            None => telemetry(&program, &server, &kinds).await,
        };
    }
    for (name, task) in [
        ("`sh -c 'echo hello'` drained", json!({"command": "echo hello"})),
        ("`noop` drained", json!({"command": "echo hello", "executor": "noop"})),
    ] {
        let one = fleet(&program, &server, None).await?;
        drained(name, "PostgreSQL, 3 processes", &one.0.api(), task.clone()).await?;
        drop(one);
        let up = Up::start(&program, &[]).await?;
        drained(name, "SQLite, `up`", &up.api(), task).await?;
    }
    let one = fleet(&program, &server, None).await?;
    start_delay("PostgreSQL, 3 processes", &one.0.api()).await?;
    drop(one);
    telemetry(&program, &server, &KINDS).await?;
    let up = Up::start(&program, &[]).await?;
    start_delay("SQLite, `up`", &up.api()).await
}

/// One of each service over a fresh database.
async fn fleet(
    program: &PathBuf,
    server: &Postgres,
    collector: Option<&Collector>,
) -> Result<(Fleet, TestDatabase)> {
    let database = TestDatabase::on(server.admin_url()).await?;
    let mut fleet = Fleet::builder(program, database.url());
    if let Some(collector) = collector {
        fleet = fleet.variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    }
    Ok((fleet.start().await?, database))
}

/// What it costs to trace everything: drains with a collector on the same machine, and without.
async fn telemetry(program: &PathBuf, server: &Postgres, kinds: &[(&str, &str)]) -> Result<()> {
    let collector = Collector::start().await?;
    collector.discard();
    let what = "drained with every span exported, and with telemetry off";
    in_turn(what, kinds, async |first| fleet(program, server, first.then_some(&collector)).await).await
}

/// What a change costs or saves: drains by this program, and by the one before.
async fn against(
    program: &PathBuf,
    before: &PathBuf,
    server: &Postgres,
    kinds: &[(&str, &str)],
) -> Result<()> {
    let what = "drained by this program, and by the one before";
    in_turn(what, kinds, async |first| fleet(if first { program } else { before }, server, None).await).await
}

/// Drains by two fleets in turn. Whoever goes first finds another machine than who goes second, so they change places.
async fn in_turn(
    what: &str,
    kinds: &[(&str, &str)],
    start: impl AsyncFn(bool) -> Result<(Fleet, TestDatabase)>,
) -> Result<()> {
    for (name, executor) in kinds {
        let task = json!({"command": "echo hello", "executor": executor});
        let (mut firsts, mut seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for first in if round % 2 == 0 { [true, false] } else { [false, true] } {
                let (fleet, database) = start(first).await?;
                let rate = drain(&fleet.api(), task.clone()).await?;
                if first { &mut firsts } else { &mut seconds }.push(rate);
                drop((fleet, database));
            }
            ratios.push(firsts[round] / seconds[round]);
        }
        ratios.sort_by(f64::total_cmp);
        let (first, second) = (median(firsts), median(seconds));
        println!(
            "| {name} {what}, median of {ROUNDS} | PostgreSQL, 3 processes | {first:.0}/s, {second:.0}/s | | {:.3} ({:.3} to \
             {:.3}) |",
            median(ratios.clone()),
            ratios[0],
            ratios[ROUNDS - 1],
        );
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Tasks that all fall due at one instant: how many end a second, from that instant to the last end.
async fn drained(name: &str, store: &str, api: &Api, task: Value) -> Result<()> {
    let before = spawn_loop().await?;
    let rate = drain(api, task).await?;
    let spawned = (before + spawn_loop().await?) / 2.0;
    println!("| {name} | {store} | {rate:.0}/s | {spawned:.0}/s | {:.2} |", rate / spawned);
    Ok(())
}

/// How many tasks that all fall due at one instant end a second.
async fn drain(api: &Api, mut task: Value) -> Result<f64> {
    task["delay_seconds"] = json!(DUE_IN.as_secs_f64());
    // The first one names the instant, by the database's clock, for all others.
    let first = api.submit(&task).await?;
    task.as_object_mut().context("a task is an object")?.remove("delay_seconds");
    task["scheduled_at"] = first["scheduled_at"].clone();
    let batch = vec![task; 1_000];
    try_join_all((0..DRAINED / batch.len()).map(|_| api.submit_batch(&batch))).await?;
    let tasks = ended(api, DRAINED + 1).await?;
    let due = instant(&first, "scheduled_at")?;
    let last = tasks.iter().map(|task| instant(task, "completed_at")).collect::<Result<Vec<_>>>()?;
    let last = last.into_iter().max().context("there are no tasks")?;
    Ok(tasks.len() as f64 / (last - due).to_std()?.as_secs_f64())
}

/// An idle system: how long after `scheduled_at` commands start, by the database's clock.
async fn start_delay(store: &str, api: &Api) -> Result<()> {
    let before = spawn_loop().await?;
    let started = Instant::now();
    for n in 0..TIMED {
        let delay_ms = n * 7_919 % (LONGEST_DELAY_MS + 1);
        api.schedule("true", delay_ms as f64 / 1e3).await?;
        tokio::time::sleep((PACE * u32::try_from(n)?).saturating_sub(started.elapsed())).await;
    }
    let tasks = ended(api, TIMED).await?;
    let mut delays = tasks
        .iter()
        .map(|task| Ok((instant(task, "started_at")? - instant(task, "scheduled_at")?).num_microseconds()))
        .collect::<Result<Option<Vec<_>>>>()?
        .context("a delay of centuries")?;
    delays.sort_unstable();
    ensure!(delays[0] >= 0, "a task started {} µs early", -delays[0]);
    let at = |percent: usize| delays[(TIMED - 1) * percent / 100] as f64 / 1e3;
    let spawned = (before + spawn_loop().await?) / 2.0;
    println!(
        "| start delay, {TIMED} tasks due in 0 to 5 s, p50 / p99 / longest | {store} | {:.1} / {:.1} / {:.1} ms \
         | {spawned:.0}/s ({:.1} ms each, {AT_ONCE} at a time) | |",
        at(50),
        at(99),
        at(100),
        AT_ONCE as f64 * 1e3 / spawned,
    );
    Ok(())
}

/// Waits until `count` tasks have completed, looking rarely, and returns all.
async fn ended(api: &Api, count: usize) -> Result<Vec<Value>> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let open = api.queues().await?["queues"].as_array().is_some_and(|queues| {
            let waits = |queue: &Value| {
                let states = ["scheduled", "ready", "dispatched", "running"];
                states.iter().any(|state| queue[*state].as_u64().unwrap_or(0) > 0)
            };
            queues.iter().any(waits)
        });
        if !open {
            break;
        }
        ensure!(Instant::now() < deadline, "tasks are left after {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (mut tasks, mut query) = (Vec::new(), "state=completed&limit=1000".to_owned());
    loop {
        let page = api.tasks(&query).await?;
        tasks.extend(page["tasks"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("state=completed&limit=1000&cursor={cursor}"),
            None if tasks.len() == count => return Ok(tasks),
            None => bail!("{} of {count} tasks completed", tasks.len()),
        }
    }
}

/// What the machine itself can do: `sh -c 'echo hello'` with both outputs read, a few at a time.
async fn spawn_loop() -> Result<f64> {
    let started = Instant::now();
    let lanes = (0..AT_ONCE).map(|_| async {
        for _ in 0..SPAWNS / AT_ONCE {
            #[expect(clippy::disallowed_methods, reason = "measures what a bare loop of this can do")]
            let mut command = tokio::process::Command::new("/bin/sh");
            command
                .args(["-c", "echo hello"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let output = command.spawn()?.wait_with_output().await?;
            ensure!(output.stdout == b"hello\n", "the spawn loop printed something else");
        }
        Ok(())
    });
    try_join_all(lanes).await?;
    Ok(SPAWNS as f64 / started.elapsed().as_secs_f64())
}

fn instant(task: &Value, field: &str) -> Result<DateTime<FixedOffset>> {
    let text = task[field].as_str().with_context(|| format!("no {field} in {task}"))?;
    Ok(DateTime::parse_from_rfc3339(text)?)
}
