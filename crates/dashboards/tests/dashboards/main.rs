//! What the dashboards promise to their readers, checked on the JSON that Grafana gets.

mod catalogue;
mod drift;
mod layout;
mod links;
mod panels;
mod promql;
mod queries;
mod rules;

use std::path::{Path, PathBuf};

use distrack_dashboards::dashboards;
use serde_json::Value;

/// A file of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every panel as Grafana gets it, rows aside, under the name that a failure shows.
fn panels() -> Vec<(String, Value)> {
    let of = |dashboard: Value| {
        let uid = text(&dashboard["uid"]).to_owned();
        let panels = list(&dashboard["panels"]).to_vec();
        panels
            .into_iter()
            .filter(|panel| panel["type"] != "row")
            .map(move |panel| (format!("{uid}, {}", text(&panel["title"])), panel))
    };
    dashboards().iter().flat_map(|dashboard| of(dashboard.json())).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// Every string in it, however deep.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        Value::Object(all) => all.values().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
