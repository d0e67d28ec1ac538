//! Opens a page in the user's browser, which lives on whatever becomes of this command.

use std::os::unix::process::CommandExt;
use std::process::{Command as Program, Stdio};
use std::time::Duration;

use reqwest::Url;

use crate::client::failure::Failure;
use crate::client::output::plain;
use crate::exits;

/// How long an opener may take to fail. One that goes on after that has become the browser, or waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Opens a URL in the browser, or says it.
pub(super) async fn open(url: &str) -> Result<(), Failure> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    // Nothing but an address may reach the opener: what it does with a path or a flag is not ours to allow.
    let web = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if let Some(web) = web
        && opens(opener, &web, PATIENCE).await
    {
        return Ok(());
    }
    Err(Failure::new(exits::FAILED, format!("no browser can be opened here; the trace is at {}", plain(url))))
}

/// Whether an opener took an address: it has ended well, or goes on for longer than `patience`.
async fn opens(opener: &str, url: &Url, patience: Duration) -> bool {
    let mut program = Program::new(opener);
    program
        .arg(url.as_str())
        // A group of its own: a Ctrl-C that is meant for this command must not end the browser.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut opener) = tokio::process::Command::from(program).spawn() else { return false };
    match tokio::time::timeout(patience, opener.wait()).await {
        Ok(ended) => ended.is_ok_and(|status| status.success()),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::time::Instant;

    use distrack_testkit::eventually;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// An opener that does this, with the address as `$1`, in a folder as `$(dirname "$0")`.
    struct Opener(tempfile::TempDir);

    impl Opener {
        fn new(script: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("opener");
            std::fs::write(&path, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Self(folder)
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("opener")
        }

        async fn opens(&self, url: &str, patience: Duration) -> bool {
            opens(self.path().to_str().unwrap(), &Url::parse(url).unwrap(), patience).await
        }

        /// What it noted, as soon as it has.
        async fn noted(&self) -> String {
            let noted = self.0.path().join("noted");
            eventually(LONG, "the note", || async { std::fs::read_to_string(&noted) }).await
        }
    }

    #[tokio::test]
    async fn an_opener_gets_the_address_as_it_was_read_and_may_fail() {
        let opener = Opener::new("printf %s \"$1\" > noted.new; mv noted.new noted");
        assert!(opener.opens("HTTP://Jaeger:80/a b/trace/1", LONG).await);
        assert_eq!(opener.noted().await, "http://jaeger/a%20b/trace/1");
        assert!(!Opener::new("exit 3").opens("http://j/", LONG).await);
        assert!(!opens("/nowhere/opener", &Url::parse("http://j/").unwrap(), LONG).await);
    }

    #[tokio::test]
    async fn a_browser_that_goes_on_is_not_waited_for() {
        let opener = Opener::new("echo $$ > noted.new; mv noted.new noted; exec sleep 60");
        let began = Instant::now();
        assert!(opener.opens("http://j/", Duration::from_millis(50)).await);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        let browser = opener.noted().await.trim().to_owned();
        let stat = std::fs::read_to_string(format!("/proc/{browser}/stat")).unwrap();
        let group = stat.rsplit_once(") ").unwrap().1.split(' ').nth(2);
        assert_eq!(group, Some(&*browser), "a Ctrl-C reaches the group of this command alone");
        Program::new("kill").arg(&browser).status().unwrap();
    }

    #[tokio::test]
    async fn only_addresses_of_the_web_are_opened() {
        for odd in ["--help", "/etc/passwd", "file:///etc/passwd", "javascript:alert(1)"] {
            let Err(Failure::Said { code, text }) = open(odd).await else { panic!("{odd}") };
            assert_eq!((code, text.ends_with(odd)), (exits::FAILED, true), "{text}");
        }
    }
}
