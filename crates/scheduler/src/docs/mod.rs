//! The page for people at `/docs`: the OpenAPI document as one HTML page that loads nothing from anywhere.

mod html;
mod operation;
mod schema;

use std::sync::Arc;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::problem::Code;
use html::{escape, paragraphs};

const STYLE: &str = include_str!("style.css");
/// The host that the examples name until the page is asked for under another one.
const EXAMPLE_HOST: &str = "localhost:8081";

/// The page, rendered once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Page {
    html: Arc<str>,
    policy: HeaderValue,
}

impl Page {
    /// Renders an OpenAPI document.
    pub(crate) fn new(document: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(document).expect("the document is JSON");
        let digest = STANDARD.encode(Sha256::digest(STYLE));
        // Only this very style sheet; no script, no image, no request to anywhere.
        let policy = format!("default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'");
        let policy = HeaderValue::try_from(policy).expect("base64 is ASCII");
        Self { html: render(&document).into(), policy }
    }

    /// Answers with the page; its examples name the host that was asked.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(EXAMPLE_HOST);
        let html = self.html.replace(EXAMPLE_HOST, &escape(host));
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, self.policy.clone())], html).into_response()
    }
}

fn render(document: &Value) -> String {
    let operations = operation::all(document);
    let title = escape(document["info"]["title"].as_str().unwrap_or_default());
    let version = escape(document["info"]["version"].as_str().unwrap_or_default());
    let about = paragraphs(document["info"]["description"].as_str().unwrap_or_default());
    let mut nav = String::new();
    let mut body = String::new();
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let heading = format!("<h2>{}</h2>", escape(name));
        nav.push_str(&heading);
        body.push_str(&heading);
        body.push_str(&paragraphs(tag["description"].as_str().unwrap_or_default()));
        for operation in operations.iter().filter(|operation| operation.tag() == name) {
            nav.push_str(&operation.link());
            body.push_str(&operation.section(document));
        }
    }
    let tokens = &document["components"]["securitySchemes"]["token"];
    let tokens = paragraphs(tokens["description"].as_str().unwrap_or_default());
    let schemas = schema::sections(document);
    let problems = problems();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{STYLE}</style></head><body>\
         <nav><h1>{title}</h1>{nav}<h2>more</h2><a href=\"#tokens\">Tokens</a><a href=\"#types\">Types</a><a href=\"#problems\">Problems</a></nav>\
         <main><h1>{title} <small>{version}</small></h1>{about}\
         <p>For machines: <a href=\"/openapi.json\">/openapi.json</a>. \
         For a first try, paste this:</p>\
         <pre>curl -s 'http://{EXAMPLE_HOST}/schedule?wait=10s' -H 'content-type: application/json' \
         -d '{{\"command\":\"echo hello\"}}'</pre>\
         <h2 id=\"tokens\">tokens</h2>{tokens}<p>It goes into a header: \
         <code>authorization: Bearer $DISTRACK_TOKEN</code>. No token, or none that is good, is answered with 401, one that \
         does not permit this with 403, one that asks too often with 429 and <code>retry-after</code>.</p>\
         {body}<h2 id=\"types\">Types</h2>{schemas}{problems}</main></body></html>\n"
    )
}

/// Every code of a problem, at the place that its `type` points to.
fn problems() -> String {
    let rows = Code::ALL.iter().map(|code| {
        let (name, status) = (code.as_str(), code.status().as_u16());
        format!("<tr id=\"{name}\"><td><code>{name}</code><td>{status}<td>{}</tr>", escape(code.title()))
    });
    let rows: String = rows.collect();
    format!(
        "<h2 id=\"problems\">Problems</h2><p>Every refusal is <code>application/problem+json</code> \
         (RFC 9457) with one of these codes. Answers with 503 say in <code>Retry-After</code> when to try \
         again.</p><table><tr><th>code<th>status<th>means</tr>{rows}</table>"
    )
}
