//! What is committed is what the source gives.

use std::collections::BTreeSet;

use distrack_dashboards::{dashboards, folder};
use serde_json::Value;

const AGAIN: &str = "run `cargo run -p distrack-dashboards` and commit what it writes";

#[test]
fn the_committed_dashboards_are_those_of_the_code() {
    for dashboard in dashboards() {
        let committed = std::fs::read_to_string(folder().join(dashboard.file()));
        let committed = committed.unwrap_or_else(|error| panic!("{}: {error}; {AGAIN}", dashboard.file()));
        let committed: Value = serde_json::from_str(&committed).expect("what is committed is JSON");
        assert!(committed == dashboard.json(), "{} has drifted: {AGAIN}", dashboard.file());
    }
}

#[test]
fn no_dashboard_is_committed_that_the_code_does_not_know() {
    let known: BTreeSet<String> = dashboards().iter().map(|dashboard| dashboard.file()).collect();
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|file| file.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, known);
}
