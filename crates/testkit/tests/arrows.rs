//! Who may depend on whom, proved over the workspace as cargo sees it.
//!
//! The table restates the layout of ARCHITECTURE.md; `deny.toml` bans the two most tempting short cuts again,
//! through third parties as well.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate with the crates of ours that it may be built from.
const ARROWS: [(&str, &[&str]); 15] = [
    ("distrack-bench", &[]),
    ("distrack-core", &[]),
    ("distrack-dashboards", &[]),
    ("distrack-telemetry", &["distrack-core"]),
    ("distrack-transport", &[]),
    ("distrack-testkit", &IN_PROCESS),
    ("distrack-proto", &["distrack-core"]),
    ("distrack-store", &["distrack-core"]),
    ("distrack-store-postgres", &["distrack-core", "distrack-store"]),
    ("distrack-store-sqlite", &["distrack-core", "distrack-store"]),
    ("distrack-scheduler", &["distrack-core", "distrack-store", "distrack-telemetry", "distrack-transport"]),
    (
        "distrack-coordinator",
        &["distrack-core", "distrack-proto", "distrack-store", "distrack-telemetry", "distrack-transport"],
    ),
    ("distrack-worker", &["distrack-core", "distrack-proto", "distrack-telemetry", "distrack-transport"]),
    (
        "distrack-simulation",
        &[
            "distrack-core",
            "distrack-proto",
            "distrack-store",
            "distrack-telemetry",
            "distrack-transport",
            "distrack-coordinator",
            "distrack-worker",
        ],
    ),
    (
        "distrack",
        &[
            "distrack-bench",
            "distrack-core",
            "distrack-telemetry",
            "distrack-transport",
            "distrack-proto",
            "distrack-store",
            "distrack-store-postgres",
            "distrack-store-sqlite",
            "distrack-scheduler",
            "distrack-coordinator",
            "distrack-worker",
        ],
    ),
];

/// What the testkit's feature `cluster` puts together: the services and the trait, never a store.
const IN_PROCESS: [&str; 5] =
    ["distrack-telemetry", "distrack-store", "distrack-scheduler", "distrack-coordinator", "distrack-worker"];

/// Tests may besides depend on these: real stores, never another service.
const FOR_TESTS: [&str; 5] = [
    "distrack-testkit",
    "distrack-core",
    "distrack-store",
    "distrack-store-postgres",
    "distrack-store-sqlite",
];

/// Crates that bring a database's driver with them.
const DRIVERS: [&str; 5] = ["sqlx", "sqlx-core", "sqlx-postgres", "sqlx-sqlite", "libsqlite3-sys"];
const MAY_SEE_A_DRIVER: [&str; 4] =
    ["distrack-bench", "distrack-store-postgres", "distrack-store-sqlite", "distrack-testkit"];

/// What a crate depends on: for itself and its build script, for its tests, and only if a feature asks for it.
struct Dependencies {
    built: BTreeSet<String>,
    tested: BTreeSet<String>,
    optional: BTreeSet<String>,
}

fn workspace() -> BTreeMap<String, Dependencies> {
    let asked = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&asked.stdout).expect("cargo metadata answers in JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    packages.iter().map(|package| (text(&package["name"]), dependencies(package))).collect()
}

fn dependencies(package: &Value) -> Dependencies {
    let all = package["dependencies"].as_array().expect("a package lists its dependencies");
    let (tested, built) = all.iter().partition::<Vec<&Value>, _>(|one| one["kind"] == "dev");
    let optional = all.iter().filter(|one| one["optional"] == true).collect();
    let names = |list: Vec<&Value>| list.into_iter().map(|one| text(&one["name"])).collect();
    Dependencies { built: names(built), tested: names(tested), optional: names(optional) }
}

fn text(value: &Value) -> String {
    value.as_str().expect("names are strings").to_owned()
}

fn ours<'a>(names: &'a BTreeSet<String>, workspace: &BTreeMap<String, Dependencies>) -> BTreeSet<&'a str> {
    names.iter().filter(|name| workspace.contains_key(*name)).map(String::as_str).collect()
}

#[test]
fn every_crate_depends_on_nothing_but_its_arrows() {
    let workspace = workspace();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = workspace.keys().map(String::as_str).collect();
    assert_eq!(there, known, "a crate came or went: give it its arrows here and in ARCHITECTURE.md");
    for (name, allowed) in ARROWS {
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let built = ours(&workspace[name].built, &workspace);
        let beyond: Vec<_> = built.difference(&allowed).collect();
        assert!(beyond.is_empty(), "{name} may not depend on {beyond:?}");

        let allowed: BTreeSet<&str> = allowed.into_iter().chain(FOR_TESTS).collect();
        let tested = ours(&workspace[name].tested, &workspace);
        let beyond: Vec<_> = tested.difference(&allowed).collect();
        assert!(beyond.is_empty(), "not even the tests of {name} may depend on {beyond:?}");
    }
}

#[test]
fn only_the_stores_see_a_database_driver() {
    for (name, dependencies) in workspace() {
        if MAY_SEE_A_DRIVER.contains(&name.as_str()) {
            continue;
        }
        let all = dependencies.built.union(&dependencies.tested);
        let drivers: Vec<_> = all.filter(|one| DRIVERS.contains(&one.as_str())).collect();
        assert!(drivers.is_empty(), "{name} may not see {drivers:?}");
    }
}

#[test]
fn the_testkit_is_part_of_no_product() {
    for (name, dependencies) in workspace() {
        assert!(
            !dependencies.built.contains("distrack-testkit"),
            "{name} needs distrack-testkit to be built"
        );
    }
}

#[test]
fn without_a_feature_the_testkit_sees_distrack_from_outside_only() {
    let workspace = workspace();
    let testkit = &workspace["distrack-testkit"];
    let always: BTreeSet<String> = testkit.built.difference(&testkit.optional).cloned().collect();
    assert_eq!(ours(&always, &workspace), BTreeSet::new());
}
