//! `distrack bench`, with numbers so small that they tell nothing of speed: that it measures, checks, compares, and leaves
//! nothing behind.

use std::path::Path;
use std::time::Duration;

use distrack_testkit::{TestDatabase, Up, eventually, free_port};
use serde_json::Value;

use super::program::{Ended, LIMIT, PROGRAM, Running, ask, run};

/// Calibrators take their time, however little there is to measure.
const BENCH_LIMIT: Duration = Duration::from_secs(120);

/// Runs it to its end with its own folder for temporary files.
async fn bench(temporary: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let arguments = [&["bench"], arguments].concat();
    let running = Running::start_with(&arguments, |command| {
        command.env("TMPDIR", temporary).envs(variables.iter().copied());
    });
    running.end_within(BENCH_LIMIT).await
}

fn workload<'a>(report: &'a Value, name: &str) -> &'a Value {
    let workloads = report["workloads"].as_array().unwrap();
    workloads
        .iter()
        .find(|workload| workload["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {report}"))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bench_of_its_own_system_measures_checks_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let line = ["--self", "shell", "latency", "--tasks=30", "--rounds=1", "--json"];
    let ended = bench(temporary.path(), &line, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = ended.json();
    assert_eq!((&report["good"], &report["system"]["store"]), (&true.into(), &"sqlite".into()));
    for (name, tasks, figure, beside) in
        [("shell", 30, "shell.drained", "spawn"), ("latency", 60, "latency.idle.start_p50", "spawn_one")]
    {
        let workload = workload(&report, name);
        let checks = &workload["checks"];
        for (field, expected) in
            [("tasks", tasks), ("ended", tasks), ("attempts_of_workers", tasks), ("lost", 0), ("doubled", 0)]
        {
            assert_eq!(checks[field], expected, "{field} of {workload}");
        }
        let first = &workload["figures"][0];
        assert_eq!((&first["name"], &first["ratios"][0]["to"]), (&figure.into(), &beside.into()), "{first}");
        assert!(first["ratios"][0]["median"].as_f64().unwrap() > 0.0, "{first}");
        let hops: Vec<_> = workload["hops"].as_array().unwrap().iter().map(|hop| &hop["hop"]).collect();
        for hop in
            ["due_claimed", "claimed_started", "started_finished", "claimed_dispatched", "reported_recorded"]
        {
            assert!(hops.contains(&&hop.into()), "{hop} in {hops:?}");
        }
        assert_eq!(workload["slowest"].as_array().unwrap().len(), 10);
        assert!(workload["cost"]["cpu_ms_per_task"]["up"].as_f64().unwrap() > 0.0, "{workload}");
        assert!(workload["memory"]["up"]["at_rest"].as_u64().unwrap() > 1 << 20, "{workload}");
    }
    assert_eq!(workload(&report, "shell")["checks"]["outputs"], 30);
    assert_eq!(workload(&report, "latency")["checks"]["effects"], 60);
    assert!(is_empty(temporary.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bench_of_a_running_system_ends_what_it_left_waiting_and_compares_with_an_earlier_one() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let server = format!("--url={}", up.api().base());
    let line = [
        &server,
        "submit",
        "mixed",
        "--rate=40",
        "--tasks=20",
        "--duration=300ms",
        "--connections=4",
        "--rounds=1",
        "--json",
    ];
    let first = bench(temporary.path(), &line, &[]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let report = first.json();
    let submitted = &workload(&report, "submit")["figures"];
    assert_eq!(
        (&submitted[0]["ratios"][0]["to"], submitted[0]["ratios"].as_array().unwrap().len()),
        (&"bare_http".into(), 1)
    );
    assert_eq!(submitted[1]["ratios"], serde_json::json!([]), "no database is known, so none is measured");
    let mixed = &workload(&report, "mixed")["checks"];
    assert_eq!(
        (&mixed["tasks"], &mixed["lost"], &mixed["outputs"]),
        (&20.into(), &0.into(), &18.into()),
        "{mixed}"
    );
    let waiting = ask(&up, "list --state=pending -o json").await.json();
    assert_eq!(waiting["tasks"], serde_json::json!([]));

    let file = temporary.path().join("earlier.json");
    // An earlier run that was a hundred times as good.
    let text = String::from_utf8(first.stdout).unwrap();
    let mut earlier: Value = serde_json::from_str(&text).unwrap();
    for figure in earlier["workloads"][0]["figures"].as_array_mut().unwrap() {
        for ratio in figure["ratios"].as_array_mut().unwrap() {
            ratio["median"] = (ratio["median"].as_f64().unwrap() * 100.0).into();
        }
    }
    std::fs::write(&file, earlier.to_string()).unwrap();
    let against = format!("--against={}", file.display());
    let line = [
        &server,
        "submit",
        "--duration=200ms",
        "--tasks=20",
        "--connections=4",
        "--rounds=1",
        &against,
        "--fail_below=0.5",
    ];
    let slower = bench(temporary.path(), &line, &[]).await;
    assert_eq!(slower.code, Some(1), "{slower:?}");
    assert!(
        slower.text().contains("nothing was lost, nothing ran twice") && slower.text().contains("AGAINST"),
        "{slower:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_bench_over_postgres_stops_its_processes_and_drops_its_database() {
    let server = TestDatabase::create().await;
    let temporary = tempfile::tempdir().unwrap();
    let running =
        Running::start_with(&["bench", "--self", "shell", "--tasks=100", "--rounds=20"], |command| {
            command.env("TMPDIR", temporary.path()).env("DISTRACK_DATABASE_URL", server.url());
        });
    running.says("shell: round 1").await;
    let folder = std::fs::read_dir(temporary.path()).unwrap().next().unwrap().unwrap().path();
    let below = format!("HOME={}", folder.display());
    let databases: Vec<String> =
        environments(&below).iter().filter_map(|all| variable(all, "DISTRACK_DATABASE_URL")).collect();
    assert_eq!(databases.len(), 2, "a scheduler and a coordinator run: {databases:?}");
    running.signal("INT");
    let ended = running.end().await;
    assert_eq!((ended.code, ended.text()), (Some(130), String::new()), "{ended:?}");
    assert!(is_empty(temporary.path()));
    eventually(LIMIT, "the end of the services", || async {
        let running = environments(&below).len();
        if running == 0 { Ok(()) } else { Err(format!("{running} still run")) }
    })
    .await;
    let gone = run(&["migrate", "--wait=0s", &format!("--database_url={}", databases[0])]).await;
    assert!(gone.code != Some(0) && gone.stderr.contains("does not exist"), "{gone:?}");
}

/// The environments of all processes that have this in theirs.
fn environments(has: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let all = processes.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    all.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).filter(|all| all.contains(has)).collect()
}

fn variable(environment: &str, name: &str) -> Option<String> {
    let mut pairs = environment.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_measured_is_said_before_anything_is_started() {
    let nobody = format!("--url=:{}", free_port());
    let unheard = run(&["bench", &nobody]).await;
    assert_eq!(unheard.code, Some(6), "{unheard:?}");
    for (line, said) in [
        (&["bench", "sleep"][..], "must be one of shell"),
        (&["bench", "--self", "--url=:1"], "leave --server away"),
        (&["bench", "--fail-below=0.9"], "needs --against"),
        (&["bench", "--self", "--database_url=sqlite:///x"], "must be a postgres://"),
        (&["bench", "--rate=0"], "must be a number above 0"),
    ] {
        let ended = run(line).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said} in {ended:?}");
    }
    let missing = run(&["bench", "--self", "--against=/no/such"]).await;
    assert!(missing.code == Some(1) && missing.stderr.contains("--against"), "{missing:?}");
    assert!(!missing.stderr.contains("starting"), "{missing:?}");
}
