//! Finds the programs of a PostgreSQL server where the usual packages put them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::environment;

/// Patterns of folders; `*` stands for a version.
const PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/bin",
    "/usr/local/pgsql/bin",
];

const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Returns the folder that holds `initdb`, `postgres` and `pg_ctl`: on `PATH`, else the newest one installed.
pub(super) fn find() -> Result<PathBuf> {
    let path = environment::variable("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let usual = PLACES.into_iter().flat_map(newest_first);
    let Some(folder) = on_path.into_iter().chain(usual).find(|folder| is_complete(folder)) else {
        bail!(
            "no PostgreSQL programs found: install them (Debian, Ubuntu: apt-get install postgresql; \
             Fedora: dnf install postgresql-server; macOS: brew install postgresql@17) \
             or set {} to a server",
            environment::TEST_POSTGRES_URL
        );
    };
    Ok(folder)
}

fn is_complete(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// Expands the one `*` of a pattern to the versions that exist, the highest first.
fn newest_first(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(format!("{parent}/")) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.split('.').next()?.parse().ok()?;
            Some((version, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_and_the_newest_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "17", "notes"] {
            std::fs::create_dir_all(root.path().join(format!("pg-{version}/bin"))).unwrap();
        }
        let at = root.path().display();
        let found = newest_first(&format!("{at}/pg-*/bin"));
        let expected = ["17", "15", "9"].map(|version| PathBuf::from(format!("{at}/pg-{version}/bin")));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_folder_that_lacks_a_program_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("initdb"), "").unwrap();
        assert!(!is_complete(folder.path()));
        for program in NEEDED {
            std::fs::write(folder.path().join(program), "").unwrap();
        }
        assert!(is_complete(folder.path()));
    }
}
