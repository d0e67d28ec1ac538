//! A browser cannot be tricked into using the API on localhost.

use distrack_scheduler::Settings;
use reqwest::Method;
use serde_json::json;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Scheduler};

async fn asked_as(scheduler: &Scheduler, host: &str) -> Answer {
    Answer::of(scheduler.request(Method::GET, "/livez").header("host", host)).await
}

#[tokio::test]
async fn only_localhost_addresses_and_named_hosts_are_served() {
    let settings = Settings { allowed_hosts: vec!["Tasks.Example.com".to_owned()], ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    for host in [
        "localhost",
        "LOCALHOST:8081",
        "localhost.",
        "127.0.0.1",
        "10.0.0.7:80",
        "[::1]:8081",
        "[fe80::1]",
        "tasks.example.com",
        "tasks.example.com:443",
        "TASKS.example.COM",
    ] {
        assert_eq!(asked_as(&scheduler, host).await.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8081",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xtasks.example.com",
        "0x7f.1",
        "127.1",
        "user@localhost",
        "localhost@evil.example",
        "[::1",
        "::1",
    ] {
        asked_as(&scheduler, host).await.problem(421, "foreign_host");
    }
}

#[tokio::test]
async fn a_star_allows_any_host_but_no_foreign_origin() {
    let scheduler =
        Scheduler::with(Settings { allowed_hosts: vec!["*".to_owned()], ..Settings::default() }).await;
    assert_eq!(asked_as(&scheduler, "any.example").await.status, 200);
    let foreign = scheduler.request(Method::GET, "/livez").header("host", "any.example");
    Answer::of(foreign.header("origin", "http://other.example")).await.problem(403, "foreign_origin");
}

#[tokio::test]
async fn the_check_holds_for_every_route_and_stores_nothing() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let task = format!("/v1/tasks/{id}");
    let routes = [
        (Method::POST, "/schedule".to_owned()),
        (Method::POST, "/v1/tasks".to_owned()),
        (Method::POST, "/v1/tasks/batch".to_owned()),
        (Method::POST, format!("{task}/cancel")),
        (Method::POST, format!("{task}/retry")),
        (Method::GET, task.clone()),
        (Method::GET, format!("{task}/output")),
        (Method::GET, format!("{task}/attempts")),
        (Method::GET, format!("/status?task_id={id}")),
        (Method::GET, "/v1/tasks".to_owned()),
        (Method::GET, "/v1/workers".to_owned()),
        (Method::GET, "/v1/queues".to_owned()),
        (Method::GET, "/livez".to_owned()),
        (Method::GET, "/readyz".to_owned()),
        (Method::GET, "/metrics".to_owned()),
        (Method::GET, "/openapi.json".to_owned()),
        (Method::GET, "/docs".to_owned()),
        (Method::GET, "/no/such/route".to_owned()),
        (Method::DELETE, "/v1/tasks".to_owned()),
    ];
    for (method, path) in routes {
        let request = || {
            let body = json!({"command": "x", "tasks": [{"command": "x"}]});
            scheduler.request(method.clone(), &path).json(&body)
        };
        Answer::of(request().header("host", "evil.example")).await.problem(421, "foreign_host");
        let foreign = request().header("origin", "http://evil.example");
        Answer::of(foreign).await.problem(403, "foreign_origin");
        let cross = request().header("sec-fetch-site", "cross-site");
        Answer::of(cross).await.problem(403, "foreign_origin");
    }
    assert_eq!(scheduler.store.submit_calls(), 1);
    assert_eq!(scheduler.store.task(id).await.state, distrack_core::TaskState::Pending);
}

#[tokio::test]
async fn an_origin_must_be_the_host_that_was_asked_with_its_port() {
    let scheduler = Scheduler::start().await;
    let from = async |origin: &str| {
        let request = scheduler.request(Method::POST, "/schedule").json(&json!({"command": "x"}));
        Answer::of(request.header("host", "localhost:8081").header("origin", origin)).await
    };
    for origin in ["http://localhost:8081", "https://localhost:8081", "http://LOCALHOST:8081"] {
        assert_eq!(from(origin).await.status, 200, "{origin}");
    }
    for origin in [
        "null",
        "",
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:8081.evil.example",
        "http://evil.example:8081",
        "http://127.0.0.1:8081",
        "localhost:8081",
        "ftp://localhost:8081",
    ] {
        from(origin).await.problem(403, "foreign_origin");
    }
    let own = scheduler.request(Method::GET, "/livez").header("sec-fetch-site", "same-origin");
    assert_eq!(Answer::of(own).await.status, 200);
}

#[tokio::test]
async fn a_request_names_one_host_and_no_other_in_its_target() {
    let scheduler = Scheduler::start().await;
    for (request, status) in [
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("GET http://localhost/livez HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("GET /livez HTTP/1.1\r\n", 421),
        ("GET /livez HTTP/1.0\r\n", 421),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", 421),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n", 421),
        ("GET http://evil.example/livez HTTP/1.1\r\nhost: localhost\r\n", 421),
    ] {
        let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
        stream.write_all(format!("{request}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer[9..12].parse(), Ok(status), "{request}{answer}");
    }
}

#[tokio::test]
async fn a_link_on_another_site_may_be_followed_but_nothing_else_be_asked_by_it() {
    let scheduler = Scheduler::start().await;
    let asked = async |method: Method, site: &str, mode: &str, dest: &str| {
        let request = scheduler.request(method, "/docs").header("sec-fetch-site", site);
        Answer::of(request.header("sec-fetch-mode", mode).header("sec-fetch-dest", dest)).await
    };
    assert_eq!(asked(Method::GET, "cross-site", "navigate", "document").await.status, 200);
    for (mode, dest) in
        [("navigate", "iframe"), ("no-cors", "document"), ("no-cors", "image"), ("cors", "empty")]
    {
        asked(Method::GET, "cross-site", mode, dest).await.problem(403, "foreign_origin");
    }
    asked(Method::POST, "cross-site", "navigate", "document").await.problem(403, "foreign_origin");
    let foreign = scheduler.request(Method::GET, "/docs").header("origin", "http://evil.example");
    let foreign = foreign.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    Answer::of(foreign).await.problem(403, "foreign_origin");
}
