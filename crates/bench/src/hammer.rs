//! As many requests as a number of connections can make: a closed loop, which tells a rate, and how long each waited at
//! that rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;

use crate::http::{Call, Connection};
use crate::latency::Latencies;
use crate::settings::Server;

/// What is kept of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing but whether they were good.
    Nothing,
    /// The ids of the tasks in them.
    Ids,
}

/// What came of it.
pub(crate) struct Hammered {
    /// Good answers.
    pub(crate) good: usize,
    /// Refusals because there was no room (503).
    pub(crate) refused: usize,
    /// The ids of the tasks that were accepted.
    pub(crate) ids: Vec<String>,
    /// How long each good answer took.
    pub(crate) latencies: Latencies,
    seconds: f64,
}

impl Hammered {
    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.seconds
    }
}

/// Sends `call` over each connection again and again.
pub(crate) async fn hammer(
    server: &Arc<Server>,
    call: &Call,
    connections: usize,
    lasts: Duration,
    kept: Kept,
) -> Result<Hammered> {
    let began = Instant::now();
    let lanes = (0..connections).map(|_| {
        let (server, call) = (Arc::clone(server), call.clone());
        // A task each, so that all threads take part.
        let lane = tokio::spawn(async move { lane(&server, &call, began + lasts, kept).await });
        async { lane.await? }
    });
    let lanes = try_join_all(lanes).await?;
    let mut all = Hammered {
        good: 0,
        refused: 0,
        ids: Vec::new(),
        latencies: Latencies::new(),
        seconds: began.elapsed().as_secs_f64(),
    };
    for lane in lanes {
        all.good += lane.good;
        all.refused += lane.refused;
        all.ids.extend(lane.ids);
        all.latencies.add(&lane.latencies);
    }
    ensure!(all.good > 0, "not one request was answered well");
    Ok(all)
}

async fn lane(server: &Arc<Server>, call: &Call, end: Instant, kept: Kept) -> Result<Hammered> {
    let mut connection = Connection::new(server);
    let mut lane =
        Hammered { good: 0, refused: 0, ids: Vec::new(), latencies: Latencies::new(), seconds: 0.0 };
    while Instant::now() < end {
        let sent = Instant::now();
        let answer = connection.call(call).await?;
        if answer.status == 503 {
            lane.refused += 1;
            continue;
        }
        lane.latencies.record(sent.elapsed());
        let body = answer.good()?;
        if kept == Kept::Ids {
            lane.good += ids(&body, &mut lane.ids);
        } else {
            lane.good += 1;
        }
    }
    Ok(lane)
}

/// Adds the ids of the tasks in an answer and returns how many they are. Reads nothing else of it: that would take longer
/// than sending the request.
fn ids(body: &[u8], ids: &mut Vec<String>) -> usize {
    const BEFORE: &[u8] = br#""task_id":""#;
    const UUID: usize = 36;
    let (mut rest, known) = (body, ids.len());
    while let Some(at) = rest.windows(BEFORE.len()).position(|window| window == BEFORE) {
        rest = &rest[at + BEFORE.len()..];
        let Some(id) = rest.get(..UUID) else { break };
        ids.push(String::from_utf8_lossy(id).into_owned());
    }
    ids.len() - known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_of_an_answer_is_counted_by_its_id() {
        let (one, two) = ("01a20ef1-539a-73fd-baf9-cf4845dbe55d", "01a20ef1-539a-73fd-baf9-cf4845dbe55e");
        let body = format!(r#"{{"tasks":[{{"task_id":"{one}","x":1}},{{"task_id":"{two}"}}]}}"#);
        let mut found = Vec::new();
        assert_eq!(ids(body.as_bytes(), &mut found), 2);
        assert_eq!(found, [one, two]);
        assert_eq!(ids(br#"{"task_id":"cut"#, &mut found), 0);
    }
}
