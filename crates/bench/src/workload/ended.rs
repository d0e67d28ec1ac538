//! Waits for the end of many tasks, asking so little that it costs them nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::api::{Api, Task};
use crate::progress::Progress;

const LOOK: Duration = Duration::from_millis(250);
/// How long nothing may end before the rest is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many of them are asked after before all are taken for ended.
const SAMPLED: usize = 16;

/// Waits until all of these have ended; `ids` are in the order in which they fall due.
///
/// Looks for the first one that has not ended as one looks in a dictionary, which shows how far they are, and believes it
/// when the last one and some between have ended too. Whoever needs to know of each asks for each afterwards.
pub(crate) async fn all_ended(api: &Api, ids: &[String], progress: &mut Progress) -> Result<()> {
    let (mut furthest, mut moved) = (0, Instant::now());
    loop {
        let done = frontier(api, ids).await?;
        progress.at(done, ids.len());
        if done > furthest {
            (furthest, moved) = (done, Instant::now());
        }
        if done == ids.len() && sampled(api, ids).await? {
            return Ok(());
        }
        ensure!(
            moved.elapsed() < PATIENCE,
            "some {} of {} tasks have not ended, and none does",
            ids.len() - done,
            ids.len()
        );
        tokio::time::sleep(LOOK).await;
    }
}

async fn frontier(api: &Api, ids: &[String]) -> Result<usize> {
    let (mut low, mut high) = (0, ids.len());
    if let Some(last) = ids.last()
        && has_ended(api, last).await?
    {
        return Ok(high);
    }
    while low < high {
        let middle = usize::midpoint(low, high);
        if has_ended(api, &ids[middle]).await? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

async fn sampled(api: &Api, ids: &[String]) -> Result<bool> {
    // The last ones above all: others may have overtaken them.
    let step = (ids.len() / SAMPLED).max(1);
    let spread = ids.iter().step_by(step);
    for id in ids.iter().rev().take(SAMPLED).chain(spread) {
        if !has_ended(api, id).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn has_ended(api: &Api, id: &str) -> Result<bool> {
    Ok(api.task(id).await?.ended_at().is_some())
}

/// Tasks of which each has ended, asked for until that is so: a few may end later than those that were looked at.
pub(crate) async fn until_each_has<F>(find: impl Fn() -> F) -> Result<Vec<Task>>
where
    F: Future<Output = Result<Vec<Task>>>,
{
    let began = Instant::now();
    loop {
        let tasks = find().await?;
        if tasks.iter().all(|task| task.ended_at().is_some()) || began.elapsed() > PATIENCE {
            return Ok(tasks);
        }
        tokio::time::sleep(LOOK).await;
    }
}
