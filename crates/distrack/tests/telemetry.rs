//! docs/telemetry.md and what three processes say of themselves are the same, in both directions.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use distrack_testkit::reqwest::Method;
use distrack_testkit::{Collector, Fleet, TestDatabase, eventually};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const PAGE: &str = include_str!("../../../docs/telemetry.md");
const SERVICES: [&str; 3] = ["scheduler", "coordinator", "worker"];

/// The type of a metric and the names of its labels.
type Shape = (String, BTreeSet<String>);

/// The metrics that the page gives each service.
fn documented() -> BTreeMap<&'static str, BTreeMap<String, Shape>> {
    let mut all: BTreeMap<_, BTreeMap<String, Shape>> =
        SERVICES.map(|service| (service, BTreeMap::new())).into();
    let mut of: &[&str] = &[];
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            of = match title {
                "Every service" => &SERVICES,
                "Scheduler and coordinator: the database" => &["scheduler", "coordinator"],
                "Scheduler" => &["scheduler"],
                "Coordinator" => &["coordinator"],
                "Worker" => &["worker"],
                other => panic!("whose metrics are those of '{other}'?"),
            };
        } else if line.starts_with("## ") {
            of = &[];
        }
        let cells: Vec<&str> = line.split('|').skip(1).map(str::trim).collect();
        if of.is_empty() || cells.len() < 4 || !cells[0].starts_with('`') {
            continue;
        }
        let kind = cells[1].split([' ', ',']).next().unwrap().to_owned();
        // A label's values follow it after a sign of equality.
        let labels = cells[2].split('`').collect::<Vec<_>>();
        let names = labels.iter().enumerate().filter(|(at, _)| at % 2 == 1 && !is_value(&labels, *at));
        let labels: BTreeSet<String> = names.map(|(_, name)| (*name).to_owned()).collect();
        for name in cells[0].split('`').skip(1).step_by(2) {
            for service in of {
                let metrics = all.get_mut(service).unwrap();
                assert!(
                    metrics.insert(name.to_owned(), (kind.clone(), labels.clone())).is_none(),
                    "{name} twice"
                );
            }
        }
    }
    all
}

/// The histograms of a service that the page marks as naming traces.
fn exemplified(service: &str) -> Vec<&'static str> {
    let of = documented();
    let rows = PAGE.lines().filter(|line| line.contains("| histogram * |"));
    let names = rows.filter_map(|line| line.split('`').nth(1));
    let mut names: Vec<_> = names.filter(|name| of[service].contains_key(*name)).collect();
    names.dedup();
    names
}

/// Whether what is quoted at this place is a value of the label before it.
fn is_value(pieces: &[&str], at: usize) -> bool {
    let mut before = at;
    while before >= 1 {
        match pieces[before - 1] {
            "=" => return true,
            "," if before >= 2 => before -= 2,
            _ => return false,
        }
    }
    false
}

/// The metrics of a scrape in text format.
fn scraped(text: &str) -> BTreeMap<String, Shape> {
    let mut all: BTreeMap<String, Shape> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            all.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') && !line.is_empty() {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                let family = name.strip_suffix(end)?;
                all.contains_key(family).then_some(family)
            });
            let (_, known) =
                all.get_mut(plain.unwrap_or(name)).unwrap_or_else(|| panic!("{line} has no type"));
            let pairs = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
            known.extend(
                pairs.map(|pair| pair.split_once('=').unwrap().0.to_owned()).filter(|name| name != "le"),
            );
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_span_and_attribute_is_on_the_page_and_the_page_has_no_other() {
    let database = TestDatabase::create().await;
    let collector = Collector::start().await.unwrap();
    let fleet = Fleet::builder(env!("CARGO_BIN_EXE_distrack"), database.url())
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .scheduler_flag("--canary_interval=1s")
        .worker_flag("--trace_command=true")
        .secured()
        .start()
        .await
        .unwrap();
    let api = fleet.api();
    let ended = async |task| {
        let task = api.submit(&task).await.unwrap();
        api.wait_terminal(task["task_id"].as_str().unwrap(), LIMIT).await
    };
    let now = json!({"initial": "10ms", "max": "10ms"});
    ended(json!({"command": "echo hello", "delay_seconds": 0.2})).await;
    ended(json!({"argv": ["/bin/false"], "max_attempts": 2, "backoff": now})).await;
    ended(json!({"command": "kill -9 $$"})).await;
    ended(json!({"command": "sleep 60", "timeout": "100ms"})).await;
    // Enough memory to be told from the worker's own.
    ended(json!({"command": "head -c 200000000 /dev/zero | tail -c 150000000 | wc -c"})).await;
    let waiting = api.submit(&json!({"command": "true", "delay_seconds": 3600})).await.unwrap();
    let cancelled = api.submit(&json!({"command": "true", "delay_seconds": 3600})).await.unwrap();
    let path = format!("/v1/tasks/{}/cancel", cancelled["task_id"].as_str().unwrap());
    assert_eq!(api.post(&path, &json!({})).await.unwrap().status, 200);
    assert_eq!(api.post("/schedule", &json!({"command": ""})).await.unwrap().status, 422);
    assert!(waiting["task_id"].is_string());

    let mut documented = documented();
    // Its API is plain HTTP here. Over HTTPS it is in tests/commands/https.rs.
    let certificate = "distrack_tls_certificate_expiry_timestamp_seconds";
    assert!(documented.get_mut("scheduler").unwrap().remove(certificate).is_some());
    let members = [fleet.scheduler(0), fleet.coordinator(0), fleet.worker(0)];
    for (service, member) in SERVICES.into_iter().zip(members) {
        eventually(LIMIT, format_args!("the {service} and the page to agree"), || async {
            let found = scraped(&member.admin().get("/metrics").await.unwrap().text());
            let (found, said) =
                (differing(&found, &documented[service]), differing(&documented[service], &found));
            if found.is_empty() && said.is_empty() {
                return Ok(());
            }
            Err(format!("only the {service} has {found:#?}, only the page has {said:#?}"))
        })
        .await;
    }

    for (service, member) in SERVICES.into_iter().zip(members) {
        let marked = exemplified(service);
        eventually(LIMIT, format_args!("each marked histogram of the {service} to name a trace"), || async {
            let request = member.admin().request(Method::GET, "/metrics");
            let page = request.header("accept", "application/openmetrics-text");
            let page = member.admin().send(page).await.unwrap().text();
            let named = |name: &&&str| {
                page.lines()
                    .any(|line| line.starts_with(&format!("{name}_bucket")) && line.contains("# {trace_id="))
            };
            let bare: Vec<_> = marked.iter().filter(|name| !named(name)).collect();
            if bare.is_empty() { Ok(()) } else { Err(format!("{bare:?} name none")) }
        })
        .await;
    }

    let quoted: BTreeSet<&str> = PAGE.split('`').skip(1).step_by(2).collect();
    let attributes = PAGE.lines().skip_while(|line| !line.starts_with("| attribute |")).skip(2);
    let attributes = attributes.take_while(|line| line.starts_with('|'));
    let listed: Vec<_> = attributes
        .flat_map(|line| {
            let cell = line.trim_matches('|').split(" | ").next().unwrap();
            cell.split('`').skip(1).step_by(2).filter(|name| name.contains('.')).collect::<Vec<_>>()
        })
        .filter(|name| *name != "distrack.link")
        .collect();
    let seen = eventually(LIMIT, "a span of each kind with each attribute", || async {
        let spans = collector.spans();
        let names: BTreeSet<_> = spans.iter().map(|span| first_word(&span.name)).collect();
        let seen: BTreeSet<_> = spans.iter().flat_map(|span| span.attributes.keys().cloned()).collect();
        let wanted =
            ["schedule", "queued", "dispatch", "execute", "finish", "claim", "report", "sh", "false"];
        let missing: Vec<_> = wanted.into_iter().filter(|name| !names.contains(name)).collect();
        let unseen: Vec<_> = listed.iter().filter(|name| !seen.contains(**name)).collect();
        if missing.is_empty() && unseen.is_empty() {
            Ok(seen)
        } else {
            Err(format!("{missing:?} {unseen:?}"))
        }
    })
    .await;
    let unknown: Vec<_> = seen.iter().filter(|name| !quoted.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "attributes that the page does not have: {unknown:?}");
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// What `one` has and `other` has not, or otherwise.
fn differing(one: &BTreeMap<String, Shape>, other: &BTreeMap<String, Shape>) -> Vec<String> {
    let of_process = |name: &str| name.starts_with("process_");
    let differs = |(name, shape): &(&String, &Shape)| match other.get(*name) {
        // The kernel's figures are the library's own.
        Some(_) if of_process(name) => false,
        found => found != Some(*shape),
    };
    one.iter().filter(differs).map(|(name, shape)| format!("{name} {shape:?}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_filter_of_each_service_can_be_changed_while_it_runs() {
    let database = TestDatabase::create().await;
    let fleet = Fleet::builder(env!("CARGO_BIN_EXE_distrack"), database.url()).start().await.unwrap();
    for member in fleet.members() {
        let admin = member.admin();
        let put = |filter: &'static str| {
            let request = admin.request(Method::PUT, "/admin/log").header("content-type", "text/plain");
            admin.send(request.body(filter))
        };
        assert_eq!(put("warn,distrack_worker=debug").await.unwrap().status, 200);
        let shown = admin.get("/admin/log").await.unwrap();
        assert_eq!((shown.status, shown.text().trim()), (200, "warn,distrack_worker=debug"));
        assert_eq!(put("loud").await.unwrap().status, 400);
    }
}
