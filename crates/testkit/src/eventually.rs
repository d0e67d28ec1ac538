//! Waits for a condition, with a time limit, instead of sleeping and hoping.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// How long to rest between two looks: short at first, since most conditions hold at once.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
];

/// What one look at a condition gave: `Option` and `Result` are looks.
pub trait Look {
    /// What is there once the condition holds.
    type Value;

    /// Returns the value, or why the condition does not hold yet, as far as that is known.
    fn seen(self) -> Result<Self::Value, Option<String>>;
}

impl<T> Look for Option<T> {
    type Value = T;

    fn seen(self) -> Result<T, Option<String>> {
        self.ok_or(None)
    }
}

impl<T, E: Display> Look for Result<T, E> {
    type Value = T;

    fn seen(self) -> Result<T, Option<String>> {
        self.map_err(|error| Some(format!("{error:#}")))
    }
}

/// Looks again and again until `look` gives a value, and returns that.
///
/// # Panics
/// If `limit` passes first, with `what` was waited for, the last reason seen, and the caller's place. A look
/// that takes longer than what is left is cut off.
#[track_caller]
pub fn eventually<L, F>(
    limit: Duration,
    what: impl Display,
    mut look: impl FnMut() -> F,
) -> impl Future<Output = L::Value>
where
    L: Look,
    F: Future<Output = L>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        let mut last = None;
        let mut pauses = PAUSES.into_iter().chain(std::iter::repeat(PAUSES[PAUSES.len() - 1]));
        loop {
            match tokio::time::timeout_at(deadline, look()).await.map(Look::seen) {
                Ok(Ok(value)) => return value,
                Ok(Err(reason)) => last = reason.or(last),
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                let reason = last.map(|reason| format!("; last seen: {reason}")).unwrap_or_default();
                panic!("waited {limit:?} in vain for {what}, at {caller}{reason}");
            }
            let pause = pauses.next().unwrap_or_default();
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_gives_its_value() {
        let looks = AtomicU32::new(0);
        let look = || async { (looks.fetch_add(1, Ordering::Relaxed) == 3).then_some("here") };
        assert_eq!(eventually(Duration::from_secs(5), "the fourth look", look).await, "here");
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for rain")]
    async fn a_condition_that_never_comes_true_panics_with_its_name() {
        eventually(Duration::from_millis(30), "rain", || async { None::<()> }).await;
    }

    #[tokio::test]
    #[should_panic(expected = "last seen: still dry")]
    async fn the_last_reason_is_told() {
        eventually(Duration::from_millis(30), "rain", || async { Err::<(), _>("still dry") }).await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for an answer")]
    async fn a_look_that_hangs_is_cut_off() {
        let look = || std::future::pending::<Option<()>>();
        eventually(Duration::from_millis(30), "an answer", look).await;
    }
}
