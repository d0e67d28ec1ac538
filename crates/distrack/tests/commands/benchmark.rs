//! `benchmark.sh` against a real scheduler: what it measures, what it says is wrong, and how it ends.

use std::path::Path;

use distrack_testkit::reqwest::Method;
use distrack_testkit::{Launch, Process, Up, eventually, free_port};
use serde_json::Value;
use tempfile::TempDir;

use super::program::{LIMIT, PROGRAM, run};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmark.sh");
const SECTIONS: [&str; 4] =
    ["Task Scheduling Throughput", "Task Execution Latency", "System Load Test", "Worker Scalability"];

/// A run of the script by the system's shell. Its temporary folders are in a folder of their own.
struct Benchmark {
    process: Process,
    folder: TempDir,
}

impl Benchmark {
    /// Starts a short one, with these variables besides or instead; none where there is no curl.
    fn start(url: &str, variables: &[(&str, &str)]) -> Option<Self> {
        if std::process::Command::new("curl").arg("--version").output().is_err() {
            eprintln!("NOT TESTED: benchmark.sh: there is no curl here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        let mut launch = Launch::new("benchmark", "/bin/sh", &[SCRIPT], folder.path());
        let short = [
            ("SCHEDULER_URL", url),
            ("NUM_TASKS", "20"),
            ("DELAY_SECONDS", "0.2"),
            ("CONCURRENCY", "3"),
            ("LOAD_SECONDS", "1"),
            ("TMPDIR", temporary.to_str().unwrap()),
        ];
        let all = short.iter().chain(variables);
        launch.variables = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Some(Self { process: Process::start(launch).unwrap(), folder })
    }

    /// Waits for its end, and returns its exit code and all that it printed.
    async fn end(self) -> (Option<i32>, String) {
        let code = self.process.wait(LIMIT).await.code();
        assert_eq!(entries(&self.folder.path().join("tmp")), 0, "it leaves nothing behind");
        (code, self.process.log())
    }
}

/// Waits until so many workers are there: the script does not begin without one.
async fn wait_workers(up: &Up, count: usize, token: Option<&str>) {
    eventually(LIMIT, "the workers", || async {
        let mut request = up.api().request(Method::GET, "/v1/workers");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let workers = up.api().send(request).await?.accepted()?;
        let there = workers["workers"].as_array().is_some_and(|workers| workers.len() == count);
        if there { Ok(()) } else { Err(anyhow::anyhow!("{workers}")) }
    })
    .await;
}

/// Starts an `up` whose one worker is there.
async fn up() -> Up {
    let up = Up::start(PROGRAM, &["--slots=4"]).await.unwrap();
    wait_workers(&up, 1, None).await;
    up
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Returns the cells of the row that begins with `name`, below that which begins with `section`, in the last table.
fn row(log: &str, section: &str, name: &str) -> Vec<String> {
    let (_, table) = log.split_once("== Result").unwrap_or_else(|| panic!("no table: {log}"));
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let rows = rows.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let mut rows = rows.skip_while(|row| row[1] != section);
    rows.find(|row| row[1] == name).unwrap_or_else(|| panic!("no {section}, {name}: {log}"))
}

/// Returns the numbers of a row of percentiles.
fn percentiles(log: &str, section: &str, name: &str) -> Vec<f64> {
    let row = row(log, section, name);
    row[3..8].iter().map(|cell| cell.parse().unwrap_or_else(|_| panic!("{row:?}"))).collect()
}

/// Returns a number of the line that sums up, such as how many tasks were `accepted`.
fn total(log: &str, what: &str) -> usize {
    let line = log.lines().find(|line| line.starts_with("accepted ")).unwrap_or_else(|| panic!("{log}"));
    let part = line.split(", ").find_map(|part| part.strip_prefix(what));
    part.unwrap_or_else(|| panic!("no {what}: {line}")).trim().parse().unwrap()
}

/// Returns all tasks of the run, as the API lists them.
async fn tasks_of_run(up: &Up) -> Vec<Value> {
    let page = up.api().tasks("limit=1").await.unwrap();
    let run = page["tasks"][0]["labels"]["benchmark"].as_str().unwrap().to_owned();
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = up.api().tasks(&format!("limit=1000&label=benchmark%3D{run}{cursor}")).await.unwrap();
        all.extend(page["tasks"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_is_well_is_measured_in_four_sections_and_a_table() {
    let up = Up::start(PROGRAM, &["--workers=2"]).await.unwrap();
    wait_workers(&up, 2, None).await;
    let tricky = r#"printf '%s\n' 'a, "state":"failed", b\'"#;
    let variables = [("WORKER_COUNT", "2"), ("COMMAND", tricky)];
    let Some(benchmark) = Benchmark::start(up.api().base(), &variables) else { return };
    let (code, log) = benchmark.end().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("warning"), "{log}");
    for section in SECTIONS {
        assert!(log.contains(&format!("\n== {section}\n")), "{section}: {log}");
        let result = row(&log, section, section)[2].clone();
        let number = result.split(' ').next().unwrap();
        assert!(number.parse::<f64>().unwrap() > 0.0, "{section}: {result}");
    }
    assert_eq!(row(&log, "Task Execution Latency", "Task Execution Latency")[2], "20 of 20 completed");
    let latency = |name| percentiles(&log, "Task Execution Latency", name);
    assert_eq!(latency("- of which asked delay"), [200.0; 5]);
    let total_time = latency("- schedule to completion");
    assert!(total_time.is_sorted() && total_time[0] >= 200.0, "{log}");
    assert!(latency("- start delay")[4] <= total_time[4] - 200.0, "{log}");
    row(&log, "Worker Scalability", "- for each worker");

    let tasks = tasks_of_run(&up).await;
    assert!(tasks.len() > 40, "{log}");
    assert_eq!((total(&log, "accepted"), total(&log, "completed")), (tasks.len(), tasks.len()), "{log}");
    assert!(tasks.iter().all(|task| task["command"] == tricky), "{:?}", tasks[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_fail_are_counted_named_and_an_error_and_another_fleet_is_a_warning() {
    let up = up().await;
    let Some(benchmark) = Benchmark::start(up.api().base(), &[("COMMAND", "exit 3")]) else { return };
    let (code, log) = benchmark.end().await;
    assert_eq!(code, Some(1), "{log}");
    let tasks = tasks_of_run(&up).await;
    assert_eq!((total(&log, "failed"), total(&log, "completed")), (tasks.len(), 0), "{log}");
    let named: Vec<&str> = log.lines().filter_map(|line| line.trim().strip_prefix("failed ")).collect();
    assert_eq!(named.len(), 10, "{log}");
    let link = named[0].split_whitespace().last().unwrap().strip_prefix(up.api().base()).unwrap();
    let why = up.api().get(link).await.unwrap().accepted().unwrap();
    assert_eq!(why["state"], "failed", "{why}");
    assert!(log.contains("warning: WORKER_COUNT is 3, but GET /v1/workers has 1,"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_although_tasks_do_not_and_says_which() {
    let up = up().await;
    let variables = [("COMMAND", "sleep 60"), ("NUM_TASKS", "2"), ("TIME_LIMIT", "1")];
    let Some(benchmark) = Benchmark::start(up.api().base(), &variables) else { return };
    let (code, log) = benchmark.end().await;
    assert_eq!(code, Some(1), "{log}");
    let tasks = tasks_of_run(&up).await;
    assert_eq!((total(&log, "accepted"), total(&log, "never ended")), (tasks.len(), tasks.len()), "{log}");
    let named = log.lines().filter(|line| line.starts_with("  never ended  ")).count();
    assert_eq!(named, tasks.len().min(10), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_by_name_taken_from_its_variable_and_a_refusal_is_an_error() {
    let up = Up::start(PROGRAM, &["--auth=tokens"]).await.unwrap();
    let data = format!("--data_dir={}", up.data_dir().display());
    let create = |scope| {
        let data = data.clone();
        async move { run(&["token", "create", "bench", scope, &data]).await.text() }
    };
    let Some(benchmark) = Benchmark::start(up.api().base(), &[]) else { return };
    let (code, log) = benchmark.end().await;
    assert!(code == Some(2) && log.contains("DISTRACK_TOKEN"), "{code:?}: {log}");

    let full = create("--scope=submit,read").await;
    wait_workers(&up, 1, Some(&full)).await;
    let (code, log) = Benchmark::start(up.api().base(), &[("DISTRACK_TOKEN", &full)]).unwrap().end().await;
    assert_eq!((code, total(&log, "refused")), (Some(0), 0), "{log}");

    let reader = create("--scope=read").await;
    let (code, log) = Benchmark::start(up.api().base(), &[("DISTRACK_TOKEN", &reader)]).unwrap().end().await;
    assert_eq!((code, total(&log, "accepted")), (Some(1), 0), "{log}");
    assert!(total(&log, "refused") >= 40 && log.contains("lacks the scope submit"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_it_at_once_and_says_what_goes_on() {
    let up = up().await;
    let Some(benchmark) = Benchmark::start(up.api().base(), &[("LOAD_SECONDS", "600")]) else { return };
    benchmark.process.wait_for_log("== System Load Test", LIMIT).await;
    eventually(LIMIT, "a task of the load test", || async {
        let listed = up.api().tasks("limit=1&label=section%3Dload").await.unwrap();
        if listed["tasks"].as_array().unwrap().is_empty() { Err(listed) } else { Ok(()) }
    })
    .await;
    benchmark.process.interrupt().unwrap();
    let (code, log) = benchmark.end().await;
    assert_eq!(code, Some(130), "{log}");
    let last = tasks_of_run(&up).await;
    let run = last[0]["labels"]["benchmark"].as_str().unwrap();
    assert!(log.contains(&format!("distrack list --label=benchmark={run}")), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_begin_where_nobody_answers_or_a_variable_is_wrong() {
    let nobody = format!("http://localhost:{}", free_port());
    let Some(benchmark) = Benchmark::start(&nobody, &[]) else { return };
    let (code, log) = benchmark.end().await;
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains(&format!("no scheduler answers at {nobody}")), "{log}");

    let wrong = [
        ("SCHEDULER_URL", "localhost"),
        ("NUM_TASKS", "0"),
        ("DELAY_SECONDS", "-1"),
        ("CONCURRENCY", "many"),
        ("WORKER_COUNT", "1.5"),
        ("LOAD_SECONDS", "1e3"),
        ("TIME_LIMIT", "99999999999999999999"),
        ("DISTRACK_TOKEN", "a\"b"),
    ];
    let (code, log) = Benchmark::start(&nobody, &wrong).unwrap().end().await;
    assert_eq!(code, Some(2), "{log}");
    for (name, _) in wrong {
        assert!(log.lines().any(|line| line.contains(&format!("{name} "))), "{name}: {log}");
    }
}
