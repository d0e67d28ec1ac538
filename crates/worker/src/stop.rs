//! The wish that an attempt ends before its command does.

use tokio::sync::watch;

/// Why an attempt is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A user cancelled its task.
    Cancelled,
    /// The worker stops.
    Interrupted,
    /// It is no longer this worker's: nobody waits for its result, and another one may run.
    Superseded,
}

/// The side that wishes.
#[derive(Debug)]
pub(crate) struct StopHandle(watch::Sender<Option<Stop>>);

/// The side that obeys.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal(watch::Receiver<Option<Stop>>);

/// Both sides, with no wish yet.
pub(crate) fn channel() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(None);
    (StopHandle(sender), StopSignal(receiver))
}

impl StopHandle {
    /// Wishes. The first wish names the cause; only `Superseded` overrides another.
    pub(crate) fn stop(&self, why: Stop) {
        self.0.send_if_modified(|wish| {
            let heard = wish.is_none() || (why == Stop::Superseded && *wish != Some(why));
            if heard {
                *wish = Some(why);
            }
            heard
        });
    }
}

impl StopSignal {
    /// Waits for a wish.
    pub(crate) async fn requested(&mut self) -> Stop {
        self.matching(|_| true).await
    }

    /// Waits for the wish that bears no grace.
    pub(crate) async fn superseded(&mut self) {
        self.matching(|why| why == Stop::Superseded).await;
    }

    /// The wish so far.
    pub(crate) fn now(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    async fn matching(&mut self, good: impl Fn(Stop) -> bool) -> Stop {
        let wish = self.0.wait_for(|wish| wish.is_some_and(&good)).await.map(|wish| *wish);
        match wish {
            Ok(Some(why)) => why,
            // Nobody is left to wish anything.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_wish_names_the_cause_and_only_superseded_overrides_it() {
        let (handle, mut signal) = channel();
        handle.stop(Stop::Cancelled);
        handle.stop(Stop::Interrupted);
        assert_eq!(signal.requested().await, Stop::Cancelled);
        handle.stop(Stop::Superseded);
        handle.stop(Stop::Cancelled);
        assert_eq!(signal.requested().await, Stop::Superseded);
        signal.superseded().await;
    }
}
