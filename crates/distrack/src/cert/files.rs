//! Files of the authority's folder, put in place whole.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everybody.
    Public,
    /// Its owner alone.
    Secret,
}

/// Makes the folder.
pub(super) fn folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.with_context(|| format!("cannot make {}", path.display()))
}

/// Writes a file beside its place and moves it there: whoever reads it meanwhile sees the old one or the new one.
pub(super) fn write(path: &Path, text: &str, mode: Mode) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let failed = || format!("cannot write {}", path.display());
    let bits = match mode {
        Mode::Public => 0o644,
        Mode::Secret => 0o600,
    };
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(failed),
        _ => {}
    }
    // New, so that it is nobody else's, and no link.
    let file = OpenOptions::new().write(true).create_new(true).mode(bits).open(&beside);
    let mut file = file.with_context(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(failed)?;
    std::fs::rename(&beside, path).with_context(failed)
}

/// Reads a file.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
