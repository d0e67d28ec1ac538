//! The tree of spans of docs/telemetry.md, as three processes export it to a collector.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod tls;
mod tree;

use std::time::{Duration, Instant};

use distrack_testkit::reqwest::Method;
use distrack_testkit::{Collector, Fleet, FleetBuilder, TestDatabase, eventually};
use serde_json::json;
use tree::{draw, keys, run, spans_of};

const LIMIT: Duration = Duration::from_secs(30);

/// The keys of one span: those of its kind alone, and those that it shares.
fn expected<'a>(own: &[&'a str], shared: &[&[&'a str]]) -> Vec<&'a str> {
    let mut all: Vec<&str> =
        shared.iter().flat_map(|part| part.iter().copied()).chain(own.iter().copied()).collect();
    all.sort_unstable();
    all
}

fn fleet(database: &TestDatabase, collector: &Collector) -> FleetBuilder {
    Fleet::builder(env!("CARGO_BIN_EXE_distrack"), database.url())
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_task_has_the_tree_of_the_catalogue() {
    let database = TestDatabase::create().await;
    let collector = Collector::start().await.unwrap();
    let fleet = fleet(&database, &collector).start().await.unwrap();
    let api = fleet.api();

    let at_once = run(&api, &json!({"command": "echo hello"})).await;
    let spans = spans_of(&collector, &at_once, 7).await;
    assert_eq!(
        draw(&spans),
        "POST /v1/tasks SERVER scheduler\n\
         \x20 schedule default PRODUCER scheduler\n\
         \x20   queued default INTERNAL coordinator ready\n\
         \x20   dispatch default PRODUCER coordinator\n\
         \x20     execute default CONSUMER worker\n\
         \x20       sh CLIENT worker\n\
         \x20       finish default CLIENT coordinator\n"
    );
    let keys = keys(&spans);
    let about = ["distrack.attempt", "distrack.epoch", "distrack.task.id"];
    let message = [
        "messaging.destination.name",
        "messaging.message.id",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.system",
    ];
    let found = |name: &str| keys[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        found("POST"),
        expected(
            &[
                "distrack.task.id",
                "http.request.method",
                "http.response.status_code",
                "http.route",
                "server.address",
                "server.port",
                "url.path",
                "url.scheme",
            ],
            &[]
        )
    );
    let scheduled = ["distrack.task.id", "distrack.task.scheduled_at"];
    assert_eq!(found("schedule"), expected(&scheduled, &[&message]));
    let queued = ["distrack.queued.phase", "messaging.destination.name"];
    assert_eq!(found("queued"), expected(&queued, &[&about]));
    let call = ["rpc.method", "rpc.system.name", "server.address", "server.port"];
    let dispatch = ["distrack.dispatch.result", "distrack.worker"];
    assert_eq!(found("dispatch"), expected(&dispatch, &[&about, &message, &call]));
    assert_eq!(found("execute"), expected(&["distrack.outcome", "distrack.worker"], &[&about, &message]));
    let finish =
        ["db.operation.name", "db.system.name", "distrack.outcome", "distrack.task.state", "distrack.worker"];
    assert_eq!(found("finish"), expected(&finish, &[&about, &message]));
    let mut process = vec![
        "distrack.process.cpu_system_seconds",
        "distrack.process.cpu_user_seconds",
        "distrack.process.stderr_bytes",
        "distrack.process.stdout_bytes",
        "process.executable.name",
        "process.exit.code",
        "process.pid",
    ];
    // A small command's memory cannot be told from the worker's.
    process.extend(keys["sh"].get("distrack.process.max_rss_bytes").map(String::as_str));
    assert_eq!(found("sh"), expected(&process, &[&about]));

    let later = run(&api, &json!({"command": "true", "delay_seconds": 0.3})).await;
    assert_eq!(
        draw(&spans_of(&collector, &later, 8).await),
        "POST /v1/tasks SERVER scheduler\n\
         \x20 schedule default PRODUCER scheduler\n\
         \x20   queued default INTERNAL coordinator scheduled\n\
         \x20   queued default INTERNAL coordinator ready\n\
         \x20   dispatch default PRODUCER coordinator\n\
         \x20     execute default CONSUMER worker\n\
         \x20       sh CLIENT worker\n\
         \x20       finish default CLIENT coordinator\n"
    );

    let empty = run(&api, &json!({"command": "true", "executor": "noop"})).await;
    assert_eq!(
        draw(&spans_of(&collector, &empty, 6).await),
        "POST /v1/tasks SERVER scheduler\n\
         \x20 schedule default PRODUCER scheduler\n\
         \x20   queued default INTERNAL coordinator ready\n\
         \x20   dispatch default PRODUCER coordinator\n\
         \x20     execute default CONSUMER worker\n\
         \x20       finish default CLIENT coordinator\n"
    );

    let retried = json!({
        "argv": ["/bin/false", "secret-argument"], "env": {"KEY": "secret-of-a-variable"},
        "queue": "etl", "max_attempts": 2,
        "backoff": {"initial": "10ms", "max": "10ms"},
    });
    let retried = run(&api, &retried).await;
    let spans = spans_of(&collector, &retried, 13).await;
    let (first, second): (Vec<_>, Vec<_>) =
        spans.into_iter().partition(|span| span.attributes.get("distrack.attempt").is_none_or(|n| n == "1"));
    assert_eq!(
        draw(&first),
        "POST /v1/tasks SERVER scheduler\n\
         \x20 schedule etl PRODUCER scheduler\n\
         \x20   queued etl INTERNAL coordinator ready\n\
         \x20   dispatch etl PRODUCER coordinator\n\
         \x20     execute etl CONSUMER worker error=exit_code\n\
         \x20       false CLIENT worker error=exit_code\n\
         \x20       finish etl CLIENT coordinator\n"
    );
    // How long the backoff lasts is drawn at random: it may have no length.
    let drawn = draw(&second)
        .replace(" scheduled ->", " ready ->")
        .replace("  queued etl INTERNAL coordinator ready\n", "");
    assert_eq!(
        drawn,
        "queued etl INTERNAL coordinator ready ->submission ->previous_attempt\n\
         \x20 dispatch etl PRODUCER coordinator\n\
         \x20   execute etl CONSUMER worker error=exit_code\n\
         \x20     false CLIENT worker error=exit_code\n\
         \x20     finish etl CLIENT coordinator\n"
    );
    let links = &second.iter().find(|span| !span.links.is_empty()).unwrap().links;
    let schedule = first.iter().find(|span| span.name.starts_with("schedule")).unwrap();
    let dispatch = first.iter().find(|span| span.name.starts_with("dispatch")).unwrap();
    assert_eq!((&links[0].0, &links[0].1), (&schedule.trace_id, &schedule.span_id));
    assert_eq!((&links[1].0, &links[1].1), (&dispatch.trace_id, &dispatch.span_id));

    let slow = run(&api, &json!({"command": "sleep 60", "timeout": "200ms"})).await;
    let drawn = draw(&spans_of(&collector, &slow, 7).await);
    assert!(drawn.contains("execute default CONSUMER worker error=timeout\n"), "{drawn}");

    // Batches have spans of their own, linked to what went together, and the three services are told apart.
    let all = eventually(LIMIT, "a claim and a report", || async {
        let spans = collector.spans();
        let has = |name: &str| spans.iter().any(|span| span.name == name && !span.links.is_empty());
        (has("claim") && has("report")).then_some(spans)
    })
    .await;
    let claim = all.iter().find(|span| span.name == "claim").unwrap();
    assert_eq!((claim.kind.as_str(), claim.parent_span_id.as_str()), ("CLIENT", ""));
    assert!(claim.links.iter().all(|(.., role)| role == "attempt"), "{claim:?}");
    let mut instances: Vec<_> = all.iter().map(|span| span.resource["service.instance.id"].clone()).collect();
    instances.sort();
    instances.dedup();
    assert_eq!(instances.len(), 3, "one instance id a process");
    assert!(all.iter().all(|span| span.resource["service.namespace"] == "distrack"));
    // Nothing secret: neither commands nor what they printed.
    let told = format!("{all:?}");
    for secret in ["echo hello", "hello", "sleep 60", "/bin/false", "secret-of-a-variable", "secret-argument"]
    {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_trace_is_joined_and_the_command_is_told_its_own_span() {
    let database = TestDatabase::create().await;
    let collector = Collector::start().await.unwrap();
    let fleet = fleet(&database, &collector).worker_flag("--trace_command=true").start().await.unwrap();
    let api = fleet.api();
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let submit = |traceparent: String| {
        let request = api.request(Method::POST, "/schedule?wait=20s").header("traceparent", traceparent);
        api.send(request.json(&json!({"command": "echo $TRACEPARENT", "delay_seconds": 0})))
    };
    let task = submit(format!("00-{trace}-{span}-01")).await.unwrap().accepted().unwrap();
    let id = task["task_id"].as_str().unwrap();
    let spans = spans_of(&collector, id, 7).await;
    assert!(spans.iter().all(|span| span.trace_id == trace), "{}", draw(&spans));
    assert!(draw(&spans).starts_with("*POST /schedule SERVER scheduler\n"), "{}", draw(&spans));
    assert_eq!(spans.iter().find(|one| one.kind == "SERVER").unwrap().parent_span_id, span);
    let command = spans.iter().find(|span| span.name == "sh").unwrap();
    let printed = api.output(id).await.unwrap()["stdout"]["head"].as_str().unwrap().trim().to_owned();
    assert_eq!(printed, format!("00-{trace}-{}-01", command.span_id));
    assert_eq!(command.attributes["process.command_args"], "sh -c echo $TRACEPARENT");

    // Not sampled by the caller, not recorded here; malformed, and a trace begins anew.
    let unsampled = submit(format!("00-{trace}-{span}-00")).await.unwrap().accepted().unwrap();
    let anew = submit(format!("00-{trace}-{span}")).await.unwrap().accepted().unwrap();
    let spans = spans_of(&collector, anew["task_id"].as_str().unwrap(), 7).await;
    assert!(spans.iter().all(|span| span.trace_id != trace));
    let unsampled = unsampled["task_id"].as_str().unwrap();
    let told = collector.spans().into_iter().any(|span| span.attributes.values().any(|id| id == unsampled));
    assert!(!told, "the one before it would have come by now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_its_worker_never_reported_gets_its_spans_from_the_coordinator() {
    let database = TestDatabase::create().await;
    let collector = Collector::start().await.unwrap();
    let fleet = fleet(&database, &collector).lost_after(Duration::from_secs(8)).start().await.unwrap();
    let api = fleet.api();
    let task = json!({"command": "sleep 60", "on_lost": "fail"});
    let task = api.submit(&task).await.unwrap()["task_id"].as_str().unwrap().to_owned();
    eventually(LIMIT, "the start of the task", || async {
        (api.task(&task).await.unwrap()["state"] == "running").then_some(())
    })
    .await;
    fleet.worker(0).kill().unwrap();
    api.wait_terminal(&task, LIMIT).await;
    let spans = spans_of(&collector, &task, 6).await;
    assert_eq!(
        draw(&spans),
        "POST /v1/tasks SERVER scheduler\n\
         \x20 schedule default PRODUCER scheduler\n\
         \x20   queued default INTERNAL coordinator ready\n\
         \x20   dispatch default PRODUCER coordinator\n\
         \x20     execute default CONSUMER coordinator error=worker_lost\n\
         \x20       finish default CLIENT coordinator\n"
    );
}

/// Waits until the worker says that spans of its were not taken.
async fn spans_are_dropped(fleet: &Fleet) {
    eventually(LIMIT, "dropped spans to be counted", || async {
        let metrics = fleet.worker(0).admin().get("/metrics").await.unwrap().text();
        let dropped = metrics.lines().find_map(|line| {
            line.strip_prefix("distrack_otel_spans_dropped_total{reason=\"export_failed\"} ")
        });
        let dropped: f64 = dropped.ok_or_else(|| metrics.clone())?.parse().unwrap();
        if dropped > 0.0 { Ok(()) } else { Err(metrics) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_costs_spans_and_nothing_else() {
    let database = TestDatabase::create().await;
    let collector = Collector::start().await.unwrap();
    collector.hang();
    let fleet =
        fleet(&database, &collector).variable("OTEL_EXPORTER_OTLP_TIMEOUT", "300").start().await.unwrap();
    let api = fleet.api();
    for _ in 0..20 {
        run(&api, &json!({"command": "true"})).await;
    }
    spans_are_dropped(&fleet).await;
    assert!(collector.calls() > 0 && collector.spans().is_empty());
    for member in fleet.members() {
        let asked = Instant::now();
        member.process().terminate().unwrap();
        assert!(member.process().wait(LIMIT).await.success());
        // The limit of the last spans is 3 s, that of everything else far below.
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    }
}
