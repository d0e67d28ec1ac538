//! The committed OpenAPI document is the one of the code, and so is the page for people.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Scheduler};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[tokio::test]
async fn the_committed_openapi_document_is_up_to_date() {
    let scheduler = Scheduler::start().await;
    let answer = scheduler.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(COMMITTED, &answer.text).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == answer.text,
        "docs/openapi.json is not what the code says; run `UPDATE_EXPECT=1 cargo test -p distrack-scheduler openapi`"
    );
}

/// The routes that a source file has, each with its methods.
fn routes_in(source: &str) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for line in source.split(".route(\"").skip(1) {
        let (path, rest) = line.split_once('"').unwrap();
        let handlers = rest.lines().next().unwrap();
        for method in ["get", "post", "put", "patch", "delete", "any"] {
            if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                routes.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    for line in source.lines().filter_map(|line| line.trim().strip_prefix("route(")) {
        let (method, rest) = line.split_once(", \"").unwrap();
        let (path, handler) = rest.split_once('"').unwrap();
        assert!(handler.contains(&format!("|| {}(", method.to_lowercase())), "{line}");
        routes.insert((method.to_owned(), path.to_owned()));
    }
    routes
}

#[tokio::test]
async fn every_route_is_in_the_openapi_document() {
    let scheduler = Scheduler::start().await;
    let document = scheduler.get("/openapi.json").await.json();
    let described = operations(&document).into_iter().map(|(method, path)| (method.to_string(), path));
    let mut routes = routes_in(include_str!("../../src/router.rs"));
    routes.extend(routes_in(include_str!("../../../telemetry/src/admin.rs")));
    assert_eq!(routes, described.collect());
}

/// The operations that a document describes.
fn operations(document: &Value) -> Vec<(Method, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase().parse().unwrap(), path.clone()))
        })
        .collect()
}

#[tokio::test]
async fn every_operation_of_the_openapi_document_is_served() {
    let scheduler = Scheduler::start().await;
    let document = scheduler.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert_eq!(operations.len(), 20);
    for (method, path) in operations {
        let asked = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
        let answer = Answer::of(scheduler.request(method.clone(), &asked)).await;
        let unknown = matches!(answer.status, 404 | 405) && answer.json()["code"] != "task_not_found";
        assert!(!unknown, "{method} {path}");
    }
}

#[tokio::test]
async fn every_reference_of_the_openapi_document_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let scheduler = Scheduler::start().await;
    let document = scheduler.get("/openapi.json").await.json();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_openapi_page_shows_every_operation_and_loads_nothing() {
    let scheduler = Scheduler::start().await;
    let document = scheduler.get("/openapi.json").await.json();
    let page = scheduler.get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for (method, path) in operations(&document) {
        let item = &document["paths"][&path][method.as_str().to_lowercase()];
        let id = item["operationId"].as_str().unwrap();
        assert!(page.text.contains(&format!("id=\"op-{id}\"")), "{method} {path}");
        assert!(page.text.contains(&format!("href=\"#op-{id}\"")), "{method} {path}");
        for parameter in item["parameters"].as_array().into_iter().flatten() {
            assert!(page.text.contains(&format!("<code>{}</code>", parameter["name"].as_str().unwrap())));
        }
    }
    let curls = page.text.matches(&format!("http://{}", scheduler.address)).count();
    assert_eq!(curls, operations(&document).len() + 1);
    // A shell would take the question mark for a pattern.
    for line in page.text.split("curl -s ").skip(1) {
        let line = line.trim_start_matches("-X POST ");
        assert!(line.starts_with("'http://") || line.starts_with("&#39;http://"), "{line:.80}");
    }
    for loaded in ["src=", "<script", "<link", "@import", "url(", "https://"] {
        assert!(!page.text.contains(loaded), "{loaded}");
    }
    // How to show a token, and what comes of a bad one.
    for told in ["distrack token create", "authorization: Bearer", "401", "403", "429"] {
        assert!(page.text.contains(told), "{told}");
    }
    // The type of a problem leads to its row.
    let problem = scheduler.get("/nowhere").await.json();
    let anchor = problem["type"].as_str().unwrap().trim_start_matches("/docs#").to_owned();
    assert!(page.text.contains(&format!("id=\"{anchor}\"")));
}
