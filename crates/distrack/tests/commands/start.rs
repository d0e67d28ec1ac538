//! How the services start: in any order, and with words when they cannot.

use std::net::TcpListener;

use distrack_testkit::{Api, Proxy, TestDatabase, eventually, free_port};

use super::program::{LIMIT, Running, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_prints_where_everything_is_and_what_it_prints_is_right() {
    let free = ["--scheduler_port=:0", "--coordinator_port=:0", "--worker_port=:0", "--metrics_port=:0"];
    let up = Running::start(&[&["up", "--data_dir=data", "--workers=2"], &free[..]].concat());
    let banner = eventually(LIMIT, "the banner", || async {
        let text = String::from_utf8(up.stdout()).unwrap();
        if text.contains("Ctrl-C") { Ok(text) } else { Err(up.stderr()) }
    })
    .await;
    assert!(banner.contains("2 workers"), "{banner}");
    let urls: Vec<&str> = banner.split_whitespace().filter(|word| word.starts_with("http://")).collect();
    let shown = |end: &str| urls.iter().filter(|url| url.ends_with(end)).count();
    assert_eq!((shown("/docs"), shown("/metrics")), (1, 4), "{banner}");
    for url in urls.iter().filter(|url| url.ends_with("/docs") || url.ends_with("/metrics")) {
        assert_eq!(Api::new(*url).get("").await.unwrap().status, 200, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_refused_by_the_name_of_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let up = ["up", "--data_dir=data"];
    let worker = ["worker", "--state_dir=state"];
    let scheduler = ["scheduler", "--database_url=postgres://nobody@127.0.0.1:1/none"];
    let coordinator = ["coordinator", "--database_url=postgres://nobody@127.0.0.1:1/none"];
    for (role, setting) in [
        (up, "scheduler_port"),
        (up, "metrics_port"),
        (worker, "worker_port"),
        (scheduler, "scheduler_port"),
        (coordinator, "coordinator_port"),
    ] {
        let mut arguments: Vec<String> = role.map(str::to_owned).into();
        let settings: &[&str] = match role[0] {
            "up" => &["scheduler_port", "coordinator_port", "worker_port", "metrics_port"],
            "worker" => &["worker_port", "metrics_port"],
            "coordinator" => &["coordinator_port", "metrics_port"],
            _ => &["scheduler_port"],
        };
        arguments.extend(settings.iter().map(|one| match *one == setting {
            true => format!("--{one}={address}"),
            false => format!("--{one}=:0"),
        }));
        let ended = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        let said = format!("cannot listen on {address} (--{setting})");
        assert!(ended.stderr.contains(&said), "{said} in {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_started_before_the_database_and_its_schema_become_ready_by_themselves() {
    let database = TestDatabase::create().await;
    let mut proxy = Proxy::before(&database.url()).await.unwrap();
    proxy.cut().await;
    let url = format!("--database_url={}", proxy.url());
    let [http, grpc, coordinator, worker] = [(); 4].map(|()| free_port());
    let flag = |name: &str, port: u16| format!("--{name}=:{port}");
    let _scheduler = Running::start(&["scheduler", &url, &flag("scheduler_port", http)]);
    let _coordinator = Running::start(&[
        "coordinator",
        &url,
        &flag("coordinator_port", grpc),
        &flag("metrics_port", coordinator),
    ]);
    let _worker = Running::start(&[
        "worker",
        &format!("--coordinator=:{grpc}"),
        "--worker_port=:0",
        &flag("metrics_port", worker),
        "--state_dir=state",
    ]);
    let api = |port| Api::new(format!("http://127.0.0.1:{port}"));
    for port in [http, coordinator, worker] {
        not_ready(&api(port), "").await;
    }
    proxy.mend().await.unwrap();
    for port in [http, coordinator] {
        not_ready(&api(port), "distrack migrate").await;
    }
    let migrated = run(&["migrate", &url]).await;
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    for port in [http, coordinator, worker] {
        api(port).wait_ready(LIMIT).await;
    }
    let task = api(http).schedule("true", 0.0).await.unwrap();
    let ended = api(http).wait_terminal(task["task_id"].as_str().unwrap(), LIMIT).await;
    assert_eq!(ended["state"], "completed", "{ended}");
}

/// Waits until a service says that it is not ready, for a reason with `reason` in it.
async fn not_ready(api: &Api, reason: &str) {
    eventually(LIMIT, format!("{reason:?} from {}", api.base()), || async {
        let answer = api.get("/readyz").await.map_err(|error| format!("{error:#}"))?;
        let is_it = answer.status == 503 && answer.text().contains(reason);
        if is_it { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_migrations_at_once_of_an_empty_database_all_end_well() {
    let database = TestDatabase::create().await;
    let url = format!("--database_url={}", database.url());
    let started: Vec<_> = (0..6).map(|_| Running::start(&["migrate", &url])).collect();
    for running in started {
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let again = run(&["migrate", &url]).await;
    assert_eq!(again.text(), "the schema is up to date", "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_used_is_told_with_the_reason_and_without_the_password() {
    let database = TestDatabase::create().await;
    let missing = database.url().replace(database.name(), "no_such_database");
    let ended = run(&["migrate", "--wait=300ms", &format!("--database_url={missing}")]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("\"no_such_database\" does not exist"), "{ended:?}");
    assert!(!ended.stderr.contains("did not answer"), "{ended:?}");
    let nobody = format!("--database_url=postgres://me:secret@127.0.0.1:{}/x", free_port());
    let ended = run(&["migrate", "--wait=300ms", &nobody]).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
    assert!(ended.stderr.contains("Connection refused"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_by_its_exit_code_whether_a_service_is_ready() {
    let port = free_port();
    let scheduler = format!("--scheduler_port=:{port}");
    let free = ["--coordinator_port=:0", "--worker_port=:0", "--metrics_port=:0"];
    let ask = async || {
        let variable = |command: &mut std::process::Command| {
            command.env("DISTRACK_SCHEDULER_PORT", format!(":{port}"));
        };
        Running::start_with(&["health"], variable).end().await
    };
    let before = ask().await;
    assert_eq!(before.code, Some(1), "{before:?}");
    assert!(before.text().contains("not ready"), "{before:?}");
    let _up = Running::start(&[&["up", &scheduler, "--data_dir=data"], &free[..]].concat());
    Api::new(format!("http://127.0.0.1:{port}")).wait_ready(LIMIT).await;
    let after = ask().await;
    assert_eq!(after.code, Some(0), "{after:?}");
    assert!(after.text().ends_with(" ready"), "{after:?}");
    let url = format!("--url=http://127.0.0.1:{port}");
    assert_eq!(run(&["health", "worker", &url]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_coordinators_elsewhere_cannot_reach_says_so() {
    let free = ["--worker_port=:0", "--metrics_port=:0", "--state_dir=state"];
    let start = |more: &[&str]| Running::start(&[&["worker"], &free[..], more].concat());
    let warning = "listens on 127.0.0.1 only";
    for more in [&["--coordinator=192.0.2.1:8080"][..], &["--worker_address=192.0.2.2"][..]] {
        start(more).says(warning).await;
    }
    for more in [
        &["--coordinator=localhost:1"][..],
        &["--coordinator=192.0.2.1:1", "--bind=0.0.0.0", "--insecure_no_auth"][..],
    ] {
        let worker = start(more);
        worker.says("worker starts").await;
        assert!(!worker.stderr().contains(warning), "{more:?}: {}", worker.stderr());
    }
}
