//! The metrics port, asked over HTTP.

mod support;

use distrack_telemetry::{Metrics, Readiness, admin};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use reqwest::{Client, Method, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Port {
    base: String,
    readiness: Readiness,
    client: Client,
}

impl Port {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let base = format!("http://{}", listener.local_addr().expect("it listens"));
        let readiness = Readiness::waiting("the schema is not looked at yet");
        let metrics = Metrics::new("worker");
        tokio::spawn(admin::serve(listener, metrics, readiness.clone(), CancellationToken::new()));
        Self { base, readiness, client: support::client() }
    }

    async fn ask(&self, method: Method, path: &str, accept: Option<&str>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = accept.into_iter().fold(request, |request, accept| request.header(ACCEPT, accept));
        request.send().await.expect("it answers")
    }
}

#[tokio::test]
async fn accept_chooses_the_format_and_content_type_says_which_it_is() {
    let port = Port::open().await;
    let asked = [
        (None, TEXT),
        (Some("*/*"), TEXT),
        (Some("text/plain;version=0.0.4"), TEXT),
        (Some("application/json"), TEXT),
        (Some("application/openmetrics-text"), OPENMETRICS),
        (Some("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.2"), OPENMETRICS),
        (Some("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.4"), TEXT),
    ];
    for (accept, kind) in asked {
        let answer = port.ask(Method::GET, "/metrics", accept).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[CONTENT_TYPE], kind, "{accept:?}");
        assert_eq!(answer.headers()[VARY], "accept");
        let page = answer.text().await.unwrap();
        assert!(page.contains("distrack_build_info{"), "{page}");
        assert_eq!(page.ends_with("# EOF\n"), kind == OPENMETRICS, "{page}");
    }
}

#[tokio::test]
async fn head_tells_what_get_would_and_sends_no_page() {
    let port = Port::open().await;
    let answer = port.ask(Method::HEAD, "/metrics", Some("application/openmetrics-text")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[CONTENT_TYPE], OPENMETRICS);
    let length: u64 = answer.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
    assert!(length > 100, "{length}");
    assert_eq!(answer.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn readiness_is_told_with_its_reason() {
    let port = Port::open().await;
    let answer = port.ask(Method::GET, "/readyz", None).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text().await.unwrap(), "the schema is not looked at yet\n");
    port.readiness.set(Ok(()));
    assert_eq!(port.ask(Method::GET, "/readyz", None).await.status(), 200);
    assert_eq!(port.ask(Method::GET, "/livez", None).await.text().await.unwrap(), "ok\n");
}
