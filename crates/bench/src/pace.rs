//! An open load: what is sent when is planned ahead, and nothing that is slow moves it.
//!
//! A closed loop sends the next request when the last one was answered, so that whoever stalls is asked less, and most of
//! the waiting is never measured (coordinated omission). Here a request counts from the instant that it was planned for,
//! also when no connection was free then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::future::try_join_all;
use tokio::sync::{Mutex, mpsc};

use crate::whole::count;

/// When to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many.
    pub(crate) count: usize,
    /// How many a second.
    pub(crate) rate: f64,
}

impl Plan {
    /// As many as fit.
    pub(crate) fn lasting(rate: f64, lasts: Duration) -> Self {
        Self { count: count(rate * lasts.as_secs_f64()).max(1), rate }
    }

    /// When the request of this number is planned, from the beginning. Up to half a step late, each by another part, so
    /// that no timer of the system keeps time with it.
    fn at(&self, number: usize) -> Duration {
        let part = (number.wrapping_mul(7_919) % 1_009) as f64 / 1_009.0;
        Duration::from_secs_f64((number as f64 + part / 2.0) / self.rate)
    }
}

/// What came of one request.
pub(crate) struct Sent<T> {
    /// From the planned instant to the answer.
    pub(crate) took: Duration,
    /// The answer.
    pub(crate) answer: T,
}

/// Sends along a plan, at most `lanes` at once; returns the answers in the order of the plan.
pub(crate) async fn open<T, F>(plan: Plan, lanes: usize, send: impl Fn(usize) -> F) -> Result<Vec<Sent<T>>>
where
    F: Future<Output = Result<T>>,
{
    let ticks = Arc::new(Mutex::new(ticks(plan)));
    let lanes = (0..lanes).map(|_| async {
        let mut sent = Vec::new();
        loop {
            let Some((number, planned)) = ticks.lock().await.recv().await else { return anyhow::Ok(sent) };
            let answer = send(number).await?;
            sent.push((number, Sent { took: planned.elapsed(), answer }));
        }
    });
    let mut all: Vec<_> = try_join_all(lanes).await?.into_iter().flatten().collect();
    if all.len() != plan.count {
        bail!("{} of {} requests were sent", all.len(), plan.count);
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, sent)| sent).collect())
}

/// The numbers with their instants, each when it has come. From a thread of its own: the runtime's timers know whole
/// milliseconds only. It ends when nobody listens any more.
fn ticks(plan: Plan) -> mpsc::UnboundedReceiver<(usize, Instant)> {
    let (tell, told) = mpsc::unbounded_channel();
    let began = Instant::now();
    std::thread::spawn(move || {
        for number in 0..plan.count {
            let planned = began + plan.at(number);
            std::thread::sleep(planned.saturating_duration_since(Instant::now()));
            if tell.send((number, planned)).is_err() {
                return;
            }
        }
    });
    told
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_plan_keeps_its_rate_and_its_order() {
        let plan = Plan::lasting(100.0, Duration::from_secs(3));
        assert_eq!(plan.count, 300);
        let instants: Vec<Duration> = (0..plan.count).map(|number| plan.at(number)).collect();
        assert!(instants.is_sorted());
        assert!(instants[299] < Duration::from_secs(3) && instants[299] > Duration::from_millis(2_980));
    }

    #[tokio::test]
    async fn a_stall_is_measured_for_every_request_that_was_planned_meanwhile() {
        let stalled = AtomicBool::new(false);
        let plan = Plan { count: 100, rate: 1_000.0 };
        let sent = open(plan, 1, async |_| {
            if !stalled.swap(true, Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        });
        let sent = sent.await.unwrap();
        let late = sent.iter().filter(|one| one.took > Duration::from_millis(40)).count();
        assert!(late > 40, "a closed loop would have seen one slow request, not {late}");
    }

    #[tokio::test]
    async fn a_request_that_fails_ends_the_load() {
        let plan = Plan { count: 1_000_000, rate: 1_000.0 };
        let failed = open(plan, 2, async |number| if number == 3 { bail!("no") } else { Ok(()) });
        assert!(failed.await.is_err());
    }
}
