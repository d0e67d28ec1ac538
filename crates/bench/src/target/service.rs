//! One process of a system that is started for a run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a process may take to say where it listens.
const LIMIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// A process, killed on drop.
#[derive(Debug)]
pub(crate) struct Service {
    role: &'static str,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts `program role flags…` in a folder of its own below `root`, with these variables and no others.
    pub(crate) fn start(
        program: &Path,
        role: &'static str,
        number: usize,
        flags: &[String],
        variables: &[(String, String)],
        root: &Path,
    ) -> Result<Self> {
        let folder = root.join(format!("{role}-{number}"));
        std::fs::create_dir_all(&folder)?;
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(program)
            .arg(role)
            .args(flags)
            .env_clear()
            .env("HOME", &folder)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {} {role}", program.display()))?;
        Ok(Self { role, child, log })
    }

    /// What it is.
    pub(crate) fn role(&self) -> &'static str {
        self.role
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens, by the settings of its ports, in the order of its log; waits until it has said `count` of them.
    pub(crate) async fn listening(&mut self, count: usize) -> Result<Vec<(String, String)>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let said = listening(&self.log());
            if said.len() >= count {
                return Ok(said);
            }
            self.alive()?;
            if Instant::now() > deadline {
                bail!("{} does not say where it listens; it printed at last:\n{}", self.role, self.tail());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// That it still runs.
    pub(crate) fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended ({status}); it printed at last:\n{}", self.role, self.tail()),
        }
    }

    /// Waits for its end, for one that ends by itself.
    pub(crate) async fn end(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    bail!("{} has ended ({status}); it printed at last:\n{}", self.role, self.tail())
                }
                None if Instant::now() > deadline => bail!("{} has not ended after {limit:?}", self.role),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        // That it is gone already is as good.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// Waits until `deadline` for its end, and kills it then.
    pub(crate) async fn stopped(&mut self, deadline: Instant) {
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
        self.kill();
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// The settings and addresses of a log's lines about listening.
fn listening(log: &str) -> Vec<(String, String)> {
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    let lines = whole.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let about = lines.filter(|line| line["message"] == "listening");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    about.filter_map(|line| Some((text(&line["setting"])?, text(&line["address"])?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_whole_lines_of_a_log_in_their_order() {
        let line = |setting: &str, port: u16| {
            format!(r#"{{"message":"listening","setting":"{setting}","address":"127.0.0.1:{port}"}}"#)
        };
        let log = format!("no JSON\n{}\n{}\n{}", line("a", 1), line("b", 2), line("c", 3));
        let said = |setting: &str, port: u16| (setting.to_owned(), format!("127.0.0.1:{port}"));
        assert_eq!(listening(&log), [said("a", 1), said("b", 2)], "the last line may be half written");
        assert_eq!(listening(""), []);
    }
}
