//! Runs the binary as a shell does: its two streams apart, its exit code, a time limit, signals.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use distrack_testkit::{Up, eventually};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code, or a signal as a negative number.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Ended {
    /// Its standard output as text, without the last line break.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A run of the binary; killed when dropped.
pub(crate) struct Running {
    child: Child,
    folder: TempDir,
}

impl Running {
    /// Starts it with these arguments, in a folder of its own.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |_| {})
    }

    /// Starts it after `change`d how.
    pub(crate) fn start_with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| std::fs::File::create(folder.path().join(name)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder.path());
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        change(&mut command);
        Self { child: command.spawn().unwrap(), folder }
    }

    /// What it has printed to standard output until now.
    pub(crate) fn stdout(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("out")).unwrap()
    }

    /// What it has printed to standard error until now.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("err")).unwrap()).into_owned()
    }

    /// Waits until `text` stands in what it has printed to standard error.
    pub(crate) async fn says(&self, text: &str) {
        eventually(LIMIT, format!("{text:?} on standard error"), || async {
            let said = self.stderr();
            if said.contains(text) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// Sends it a signal, by the name that kill(1) knows.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Ended {
        self.end_within(LIMIT).await
    }

    /// Waits for its end, so long.
    pub(crate) async fn end_within(mut self, limit: Duration) -> Ended {
        let child = std::sync::Mutex::new(&mut self.child);
        let status = eventually(limit, "the end of the program", || async {
            child.lock().unwrap().try_wait().unwrap().ok_or("it still runs")
        })
        .await;
        let code = status.code().or_else(|| status.signal().map(|signal| -signal));
        Ended { code, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end.
pub(crate) async fn run(arguments: &[&str]) -> Ended {
    Running::start(arguments).end().await
}

/// Runs a client command of words between blanks against `up`.
pub(crate) async fn ask(up: &Up, line: &str) -> Ended {
    let server = format!("--server={}", up.api().base());
    let mut words: Vec<&str> = line.split(' ').collect();
    words.insert(1, &server);
    run(&words).await
}

/// Submits a line for the shell and returns the task's id.
pub(crate) async fn submit(up: &Up, flags: &[&str], command: &str) -> String {
    let server = format!("--server={}", up.api().base());
    let submitted = run(&[&["submit", &server], flags, &["--", command]].concat()).await;
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    submitted.text()
}
