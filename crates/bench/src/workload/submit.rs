//! `submit`: submissions alone, one by one as `POST /schedule` and in batches, of tasks that are due much later.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::api::PAGE;
use crate::bench::{Bench, Outcome, submission};
use crate::calibrate::Calibrator::{BareHttp, Commits, Insert};
use crate::check::Checks;
use crate::figure::Point;
use crate::hammer::{Kept, hammer};
use crate::http::Call;

const LASTS: Duration = Duration::from_secs(3);
/// Batches on their way at once: each is large.
const BATCHES: usize = 4;

/// Measures both once.
pub(crate) async fn round(bench: &mut Bench) -> Result<Outcome> {
    let mut outcome = Outcome::new();
    let lasts = bench.load.duration.unwrap_or(LASTS);
    let mark = bench.mark();
    let first = bench.system.api.submit_one(&submission(&mark, &bench.load.queue)).await?;
    let body = submission(&mark, &bench.load.queue).to_string();
    let server = bench.system.api.server().clone();
    bench.meter.start().await?;
    let single = Call::post("/schedule", body);
    let single = hammer(&server, &single, bench.load.connections, lasts, Kept::Ids).await?;
    // What a batch costs is another thing: the cost is that of single ones.
    let (_, more_hops) = bench.meter.stop(single.good).await?;
    outcome.more_hops = more_hops;
    outcome.points.push(Point::rate("submit.single", "tasks/s", single.rate(), &[BareHttp, Commits]));
    let size = bench.load.tasks.unwrap_or(PAGE).min(PAGE);
    let tasks = vec![submission(&mark, &bench.load.queue); size];
    let batch = Call::post("/v1/tasks/batch", json!({"tasks": tasks}).to_string());
    let batch = hammer(&server, &batch, BATCHES, lasts, Kept::Ids).await?;
    outcome.points.push(Point::rate("submit.batch", "tasks/s", batch.rate(), &[Insert]));

    let refused = single.refused + batch.refused;
    if refused > 0 {
        outcome.notes.push(
            "some submissions were refused because there was no room (503); they are not counted".to_owned(),
        );
    }
    let ids: Vec<String> =
        std::iter::once(first.task_id.clone()).chain(single.ids).chain(batch.ids).collect();
    let found = bench.marked(&mark, &first).await?;
    outcome.checks = Checks::of(&ids, &found, &["pending"]);
    let known: HashSet<&String> = ids.iter().collect();
    // A submission whose answer was cut off by the end of the round may be there as well.
    let more = found.iter().filter(|task| !known.contains(&task.task_id)).count();
    if more > 0 {
        outcome.notes.push(format!("{more} tasks are there that were accepted without an answer"));
    }
    if !bench.system.is_own {
        bench.cancel(&found).await?;
    }
    outcome.latencies = vec![("single", single.latencies), ("batch", batch.latencies)];
    Ok(outcome)
}
