//! The rules of the house that no lint knows: how long a file may be, what things are called, and that both stores
//! have the same files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LONGEST: usize = 500;
const KINDS: [&str; 3] = ["rs", "sql", "proto"];
const PLACES: [&str; 3] = ["crates", "migrations", "proto"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns all files below a folder, or none if it does not exist.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

fn kind(path: &Path) -> &str {
    path.extension().and_then(|kind| kind.to_str()).unwrap_or_default()
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let files = files_below(&root().join(folder));
    files.iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect()
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    let files: Vec<PathBuf> = PLACES.iter().flat_map(|place| files_below(&root().join(place))).collect();
    let checked: Vec<&PathBuf> = files.iter().filter(|file| KINDS.contains(&kind(file))).collect();
    assert!(checked.len() > 50, "the files were not found");
    let too_long: Vec<String> = checked
        .into_iter()
        .map(|file| (file, std::fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(file, lines)| format!("{} ({lines})", file.display()))
        .collect();
    assert!(too_long.is_empty(), "past {LONGEST} lines a file is two ideas: {too_long:?}");
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    let sources = files_below(&root().join("crates"));
    let silent: Vec<&PathBuf> = sources
        .iter()
        .filter(|file| kind(file) == "rs" && !is_tests_of_a_module(file))
        .filter(|file| !std::fs::read_to_string(file).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "these say nothing about themselves: {silent:?}");
}

fn is_tests_of_a_module(file: &Path) -> bool {
    file.file_stem().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("_tests"))
}

#[test]
fn every_query_opens_with_its_name() {
    for store in ["store-postgres", "store-sqlite"] {
        for name in names_in(&format!("crates/{store}/sql")) {
            let query = std::fs::read_to_string(root().join(format!("crates/{store}/sql/{name}"))).unwrap();
            let expected = format!("-- distrack: {}", name.trim_end_matches(".sql"));
            assert_eq!(query.lines().next(), Some(expected.as_str()), "{store}/sql/{name}");
        }
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(names_in("migrations/postgres"), names_in("migrations/sqlite"));
}

#[test]
fn every_package_is_named_after_its_folder() {
    let folders: Vec<_> = std::fs::read_dir(root().join("crates")).unwrap().flatten().collect();
    assert!(folders.len() > 8, "the packages were not found");
    for folder in folders {
        let folder_name = folder.file_name().into_string().unwrap();
        let expected = match folder_name.as_str() {
            "distrack" => "distrack".to_owned(),
            name => format!("distrack-{name}"),
        };
        let manifest = std::fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        assert_eq!(name, Some(format!("{expected:?}").as_str()), "crates/{folder_name}");
    }
}
