//! Disks that are full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::chaos::scene::Scene;

const SECOND: Duration = Duration::from_secs(1);

/// A small file system over a folder, gone when dropped.
#[derive(Debug)]
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a file system of one MiB over `folder`, with what lies in it. `None` where that is not permitted.
    fn over(folder: &Path) -> Result<Option<Self>> {
        let kept = tempfile::tempdir()?;
        std::fs::create_dir_all(folder)?;
        copy(folder, kept.path())?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "chaos"]).arg(folder).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Ok(None);
        }
        let disk = Self(folder.to_owned());
        copy(kept.path(), folder)?;
        Ok(Some(disk))
    }

    /// Leaves no byte free.
    fn fill(&self) -> Result<()> {
        // In pieces, so that the last one fits as well as it can.
        let filler = std::fs::File::create(self.filler())?;
        for size in [64 * 1024, 4096, 1] {
            while std::io::Write::write_all(&mut &filler, &vec![0; size]).is_ok() {}
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a worker may still have files open on it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied =
        Command::new("cp").arg("-a").arg(from.join(".")).arg(to).output().context("cannot run cp")?;
    ensure!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    Ok(())
}

/// F20.
pub(super) async fn full_output(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let worker = &scene.world.workers[0];
    let Some(disk) = SmallDisk::over(&worker.folder().join("output"))? else {
        scene.skip("no right to mount a small file system");
        return Ok(());
    };
    disk.fill()?;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(scene.submit("prints", "yes | head -c 300000", &json!({})).await?);
    }
    scene.goes_on(40).await;
    if !worker.process().is_running() || !scene.is_attached(0).await {
        scene.violate("the worker did not survive a full disk");
    }
    disk.free()?;
    scene.goes_on(20).await;
    Ok(())
}

/// F21.
pub(super) async fn full_spool(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let worker = &scene.world.workers[0];
    worker.process().terminate()?;
    worker.process().wait(60 * SECOND).await;
    let Some(disk) = SmallDisk::over(&worker.folder().join("state"))? else {
        worker.start_again().await?;
        scene.skip("no right to mount a small file system");
        return Ok(());
    };
    worker.start_again().await?;
    scene.busy(0, 2).await?;
    disk.fill()?;
    scene.goes_on(40).await;
    if !worker.process().is_running() || !scene.is_attached(0).await {
        scene.violate("the worker did not survive a full disk");
    }
    disk.free()?;
    scene.goes_on(20).await;
    // Before the disk goes: what is kept on it must have been delivered.
    let delivered = || async { scene.metric(0, "distrack_spool_records").await == Some(0.0) };
    scene.load.finish().await;
    scene.recovers("every kept result is delivered", 30 * SECOND, delivered).await;
    Ok(())
}
