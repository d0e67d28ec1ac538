//! Clocks that can be set while a process runs: each process reads its own from a file, by way of libfaketime.
//!
//! Only the wall clock is touched; what a process measures by the monotonic one stays true.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where distributions put the library.
const FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
    "/usr/local/lib/faketime",
];

/// The library, if this machine has it.
pub fn library() -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// What a process must have in its environment to read its clock from a file of this name in `root`, which says
/// the right time at first. Nothing without the library.
///
/// # Errors
/// If the file cannot be written.
pub fn variables(root: &Path, name: &str) -> Result<Vec<(String, String)>> {
    let Some(library) = library() else { return Ok(Vec::new()) };
    if !file(root, name).exists() {
        set(root, name, 0)?;
    }
    let all = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file(root, name).display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Ok(all.map(|(name, value)| (name.to_owned(), value)).into())
}

/// Sets the clock of a process to so many seconds from the right time.
///
/// # Errors
/// If the file cannot be written.
pub fn set(root: &Path, name: &str, seconds: i64) -> Result<()> {
    let path = file(root, name);
    // In one step: a process may read at any moment.
    let new = path.with_extension("new");
    fs::write(&new, format!("{seconds:+}\n")).and_then(|()| fs::rename(&new, &path)).context("a clock")
}

/// Whether a process has the library, so that its clock is the one that was set.
pub fn is_settable(pid: Option<u32>) -> bool {
    let maps = fs::read_to_string(format!("/proc/{}/maps", pid.unwrap_or_default()));
    maps.is_ok_and(|maps| maps.contains("libfaketime"))
}

fn file(root: &Path, name: &str) -> PathBuf {
    root.join(format!("{name}.clock"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_clock_that_is_set_is_read_by_its_process() {
        if library().is_none() {
            eprintln!("NOT TESTED: no libfaketime");
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let now = || {
            let variables = variables(root.path(), "date").unwrap();
            let output = Command::new("date").arg("+%s").envs(variables).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<i64>().unwrap()
        };
        let before = now();
        set(root.path(), "date", 3_600).unwrap();
        assert!(now() - before >= 3_600);
        set(root.path(), "date", -3_600).unwrap();
        assert!(before - now() > 3_000);
    }
}
