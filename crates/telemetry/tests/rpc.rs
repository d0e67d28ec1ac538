//! Calls over gRPC, measured at both ends of a real connection.

use std::time::Duration;

use distrack_core::TraceContext;
use distrack_telemetry::Metrics;
use distrack_telemetry::rpc::{ClientCalls, ServerLayer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const CHECK: &str = "grpc.health.v1.Health/Check";
const WATCH: &str = "grpc.health.v1.Health/Watch";

/// A server that knows the service `here`, and its metrics.
async fn server(methods: &'static [&'static str]) -> (HealthClient<Channel>, Metrics) {
    let metrics = Metrics::new("worker");
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("here", ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let server = Server::builder().layer(ServerLayer::new(&metrics, methods)).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Endpoint::from_shared(url).expect("it is a URL").connect().await.expect("it answers");
    (HealthClient::new(channel), metrics)
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// How many calls were measured with these labels.
fn counted(metrics: &Metrics, family: &str, method: &str, status: &str) -> u64 {
    let labels = format!("rpc_method=\"{method}\",rpc_response_status_code=\"{status}\"");
    let start = format!("{family}_call_duration_seconds_count{{{labels}}} ");
    metrics.render().lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or(0)
}

async fn until_counted(metrics: &Metrics, method: &str, status: &str, calls: u64) {
    let seen = async {
        while counted(metrics, "rpc_server", method, status) != calls {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), seen).await;
    in_time.unwrap_or_else(|_| panic!("{calls} × {method} {status} in {}", metrics.render()));
}

#[tokio::test]
async fn a_server_tells_calls_by_method_and_status_whether_it_came_in_trailers_or_in_the_head() {
    let (mut health, metrics) = server(&[CHECK]).await;
    health.check(about("here")).await.unwrap();
    health.check(about("here")).await.unwrap();
    let refused = health.check(about("nowhere")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    until_counted(&metrics, CHECK, "OK", 2).await;
    until_counted(&metrics, CHECK, "NOT_FOUND", 1).await;
}

#[tokio::test]
async fn a_method_that_is_not_listed_makes_no_series_of_its_own() {
    let (mut health, metrics) = server(&[]).await;
    health.check(about("here")).await.unwrap();
    until_counted(&metrics, "_OTHER", "OK", 1).await;
    assert!(!metrics.render().contains(CHECK));
}

#[tokio::test]
async fn a_call_that_its_caller_gives_up_is_cancelled() {
    let (mut health, metrics) = server(&[WATCH]).await;
    let mut watching = health.watch(about("here")).await.unwrap().into_inner();
    watching.message().await.unwrap();
    assert_eq!(counted(&metrics, "rpc_server", WATCH, "CANCELLED"), 0, "it is not over");
    drop(watching);
    until_counted(&metrics, WATCH, "CANCELLED", 1).await;
}

#[tokio::test]
async fn a_sampled_trace_of_the_caller_is_the_exemplar() {
    let (mut health, metrics) = server(&[CHECK]).await;
    let (sampled, unsampled) = (TraceContext::root(), TraceContext { flags: 0, ..TraceContext::root() });
    for context in [&sampled, &unsampled] {
        let mut request = Request::new(about("here"));
        request.metadata_mut().insert("traceparent", context.traceparent().parse().unwrap());
        health.check(request).await.unwrap();
    }
    until_counted(&metrics, CHECK, "OK", 2).await;
    let page = metrics.render_openmetrics();
    assert!(page.contains(&sampled.trace_id.to_string()), "{page}");
    assert!(!page.contains(&unsampled.trace_id.to_string()), "{page}");
}

#[tokio::test]
async fn a_client_counts_answers_refusals_and_calls_that_it_gave_up() {
    let metrics = Metrics::new("coordinator");
    let calls = ClientCalls::new(&metrics);
    let trace = TraceContext::root().trace_id;
    calls.observe("p.S/A", async { Ok(()) }).await.unwrap();
    calls.observe_traced("p.S/A", Some(trace), async { Ok(()) }).await.unwrap();
    let refused = calls.observe::<(), _>("p.S/A", async { Err(Status::unavailable("away")) }).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    let hung = calls.observe::<(), _>("p.S/B", std::future::pending());
    tokio::time::timeout(Duration::from_millis(1), hung).await.unwrap_err();

    assert_eq!(counted(&metrics, "rpc_client", "p.S/A", "OK"), 2);
    assert_eq!(counted(&metrics, "rpc_client", "p.S/A", "UNAVAILABLE"), 1);
    assert_eq!(counted(&metrics, "rpc_client", "p.S/B", "CANCELLED"), 1);
    assert!(metrics.render_openmetrics().contains(&trace.to_string()));
}
