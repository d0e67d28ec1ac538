//! Finds the programs of a PostgreSQL server where the usual packages put them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::environment;

/// Patterns of folders, one a line; `*` stands for a version. `scripts/install-postgres.sh` reads them, too.
const PLACES: &str = include_str!("places.txt");

const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// The oldest version that the store's queries run on.
const OLDEST: u32 = 15;

/// Returns the folder that holds `initdb`, `postgres` and `pg_ctl`: on `PATH`, else the newest one installed.
///
/// # Errors
/// If there is none, or only ones that are too old.
pub(super) fn find() -> Result<PathBuf> {
    let path = environment::variable("PATH").unwrap_or_default();
    let usual = PLACES.lines().flat_map(newest_first);
    let complete = std::env::split_paths(&path).chain(usual).filter(|folder| is_complete(folder));
    let mut too_old = String::new();
    for folder in complete {
        match version_of(&folder) {
            Some(OLDEST..) => return Ok(folder),
            Some(version) => too_old += &format!(" ({version} in {} is too old)", folder.display()),
            None => {}
        }
    }
    bail!(
        "no programs of PostgreSQL {OLDEST} or newer found{too_old}: install them (Debian, Ubuntu: apt-get \
         install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql@17) \
         or set {} to a server",
        environment::TEST_POSTGRES_URL
    );
}

fn is_complete(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// Asks the server's program itself: folders are named after versions in some places only.
fn version_of(folder: &Path) -> Option<u32> {
    let asked = Command::new(folder.join("postgres")).arg("-V").output().ok()?;
    version_in(&String::from_utf8_lossy(&asked.stdout))
}

/// Reads the major version from `postgres (PostgreSQL) 15.14 (Debian 15.14-1)`, `17beta1` being 17.
fn version_in(line: &str) -> Option<u32> {
    let (_, version) = line.split_once("(PostgreSQL) ")?;
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
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
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn the_program_itself_tells_its_version() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version_of(folder.path()), None);
        let program = folder.path().join("postgres");
        std::fs::write(&program, "#!/bin/sh\necho \"postgres (PostgreSQL) 14.9 (Debian 14.9-1)\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(version_of(folder.path()), Some(14));
    }

    #[test]
    fn a_version_is_read_whatever_stands_behind_it() {
        assert_eq!(version_in("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(version_in("postgres (PostgreSQL) 17beta1\n"), Some(17));
        assert_eq!(version_in("something else 15.1"), None);
    }
}
