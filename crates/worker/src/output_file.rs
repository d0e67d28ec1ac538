//! The file that holds one stream of one attempt. Everything here blocks.
//!
//! A file that cannot be written never stops a command: it is noted and the stream is drained all the same.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use distrack_core::AttemptRef;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use tracing::{info, warn};

/// The directory of all output. Knows whether it could be written last, so that a full disk is logged once.
#[derive(Clone, Debug)]
pub(crate) struct OutputDir {
    path: PathBuf,
    failing: Arc<AtomicBool>,
}

impl OutputDir {
    /// Makes the directory if it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        make(path)?;
        Ok(Self { path: path.to_owned(), failing: Arc::default() })
    }
}

fn make(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path)
}

/// One file, created with its first byte.
#[derive(Debug)]
pub(crate) struct OutputFile {
    dir: OutputDir,
    attempt: AttemptRef,
    number: u32,
    stream: &'static str,
    file: Option<File>,
    /// What went wrong; nothing is written after that.
    failed: Option<String>,
}

impl OutputFile {
    /// The file of `stream` of an attempt.
    pub(crate) fn new(dir: &OutputDir, attempt: AttemptRef, number: u32, stream: &'static str) -> Self {
        Self { dir: dir.clone(), attempt, number, stream, file: None, failed: None }
    }

    /// Appends a chunk, or nothing once it failed.
    pub(crate) fn append(&mut self, chunk: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let result = self.try_append(chunk);
        let failing = self.dir.failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) => {
                if !failing {
                    warn!(task_id = %self.attempt.task, stream = self.stream, %error,
                        "output cannot be written to its file; commands go on");
                }
                self.failed = Some(error.to_string());
            }
            Ok(()) if failing => info!("output can be written to files again"),
            Ok(()) => {}
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn try_append(&mut self, chunk: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.create()?,
        };
        file.write_all(chunk)?;
        self.file = Some(file);
        Ok(())
    }

    /// Never follows a link and never opens a file that is there: a command must not be able to aim this
    /// worker's writes elsewhere, nor a second run overwrite what a first one printed.
    fn create(&self) -> io::Result<File> {
        let task = self.task_dir()?;
        let names = [
            format!("{}.{}", self.number, self.stream),
            format!("{}.{}.{}", self.number, self.attempt.epoch, self.stream),
        ];
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for name in names {
            match openat(&task, name.as_str(), flags | OFlags::APPEND, Mode::from_raw_mode(0o640)) {
                Err(Errno::EXIST) => {
                    warn!(task_id = %self.attempt.task, file = name, "something is where output is to go, it is left alone");
                }
                opened => return Ok(opened?.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    fn task_dir(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = match openat(CWD, &self.dir.path, flags, Mode::empty()) {
            // Someone tidied up while the worker runs.
            Err(Errno::NOENT) => {
                make(&self.dir.path)?;
                openat(CWD, &self.dir.path, flags, Mode::empty())?
            }
            opened => opened?,
        };
        let name = self.attempt.task.to_string();
        match mkdirat(&root, name.as_str(), Mode::from_raw_mode(0o750)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(openat(&root, name.as_str(), flags | OFlags::NOFOLLOW, Mode::empty())?)
    }
}
