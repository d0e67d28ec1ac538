//! The logs of a process: one for all tests here, as in a process.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use distrack_telemetry::logs::{self, LogFormat};
use distrack_telemetry::{Metrics, Readiness, admin};
use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use reqwest::{Client, Method, RequestBuilder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;

const START: &str = "info,quiet=error";

struct Port {
    url: String,
    client: Client,
}

impl Port {
    async fn open() -> Self {
        logs::init_as("worker", LogFormat::Json, START, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/admin/log", listener.local_addr().expect("it listens"));
        let readiness = Readiness::waiting("starting");
        tokio::spawn(admin::serve(listener, Metrics::new("worker"), readiness, CancellationToken::new()));
        Self { url, client: support::client() }
    }

    fn request(&self, method: Method) -> RequestBuilder {
        self.client.request(method, &self.url)
    }
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("it answers with text"))
}

/// One test, since there is one filter in a process.
#[tokio::test]
async fn the_filter_is_shown_changed_refused_and_restored_while_running() {
    let port = Port::open().await;
    assert_eq!(answer(port.request(Method::GET)).await, (200, format!("{START}\n")));
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);

    let put = |filter: &str| port.request(Method::PUT).body(filter.to_owned());
    let plain = put(" warn,distrack_worker=debug\n").header(CONTENT_TYPE, "text/plain; charset=utf-8");
    assert_eq!(answer(plain).await, (200, "warn,distrack_worker=debug\n".to_owned()));
    assert_eq!(LevelFilter::current(), LevelFilter::DEBUG);

    for (filter, status, why) in [
        ("debug,verbose", 400, "'verbose' is no level"),
        ("", 400, "the body must be a filter"),
        ("  \n", 400, "the body must be a filter"),
        (&"a=info,".repeat(600), 413, "at most 4096 bytes"),
    ] {
        let refused = put(filter).send().await.unwrap();
        assert_eq!(refused.status(), status, "{filter}");
        assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
        let problem = refused.text().await.unwrap();
        let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let json = put("trace").header(CONTENT_TYPE, "application/json");
    assert_eq!(answer(json).await.0, 415);
    for foreign in [
        put("trace").header(HOST, "evil.example"),
        put("trace").header(ORIGIN, "http://evil.example"),
        put("trace").header("x-forwarded-for", "10.0.0.1"),
        port.request(Method::GET).header("sec-fetch-site", "cross-site"),
    ] {
        let (status, problem) = answer(foreign).await;
        assert_eq!(status, 403, "{problem}");
    }
    assert_eq!(
        answer(port.request(Method::GET)).await.1,
        "warn,distrack_worker=debug\n",
        "what was refused changed nothing"
    );

    assert_eq!(answer(port.request(Method::DELETE)).await, (200, format!("{START}\n")));
    assert_eq!(logs::filter().as_deref(), Some(START));
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);
}

#[tokio::test]
async fn without_the_peer_s_address_nobody_is_let_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/admin/log", listener.local_addr().expect("it listens"));
    tokio::spawn(async move { axum::serve(listener, admin::log_routes()).await });
    assert_eq!(support::client().get(url).send().await.unwrap().status(), 403);
}

/// Runs a test of this file in a process of its own.
fn alone(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).stdout(Stdio::null());
    command
}

#[test]
#[ignore = "run in a process of its own"]
fn logs_into_a_closed_pipe() {
    // The test that starts this says when the pipe is closed.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    logs::init_as("worker", LogFormat::Json, "info", None);
    for _ in 0..10 {
        tracing::info!("nobody reads this");
    }
}

#[test]
fn a_line_that_cannot_be_written_stops_nothing() {
    let mut child =
        alone("logs_into_a_closed_pipe").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    child.stdin.take().unwrap().write_all(b"closed\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "run in a process of its own"]
fn logs_at_some_levels() {
    logs::init_as("coordinator", LogFormat::Auto, "warn,loud=debug", None);
    tracing::info!("not this");
    tracing::debug!(target: "loud", "one");
    tracing::warn!("two");
    logs::set_filter("error").unwrap();
    logs::set_filter("info").unwrap();
    tracing::info!("three");
    logs::set_filter("off").unwrap();
    tracing::error!("four");
    logs::restore_filter().unwrap();
    tracing::warn!("five");
    logs::init_as("other", LogFormat::Pretty, "trace", None);
    tracing::debug!("the first call wins");
}

#[test]
fn lines_go_to_standard_error_as_the_filter_says_and_each_change_of_it_is_said_once() {
    let output = alone("logs_at_some_levels").output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let said: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let expected = [
        ("one", None),
        ("two", None),
        ("log filter changed", Some("error")),
        ("log filter changed", Some("info")),
        ("three", None),
        ("log filter changed", Some("off")),
        ("log filter changed", Some("warn,loud=debug")),
        ("five", None),
    ];
    let lines: Vec<_> = said
        .iter()
        .map(|line| (line["message"].as_str().unwrap(), line.get("filter").and_then(|f| f.as_str())))
        .collect();
    assert_eq!(lines, expected);
    assert!(said.iter().all(|line| line["service"] == "coordinator"), "{said:?}");
}
