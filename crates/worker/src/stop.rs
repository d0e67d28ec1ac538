//! The wish that an attempt ends before its command does.

use tokio::sync::watch;

/// Why an attempt is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A user cancelled its task.
    Cancelled,
    /// The worker stops.
    Interrupted,
    /// No coordinator answers the worker, and its lease ends soon.
    Disconnected,
    /// The lease is as good as over: another worker may run it any moment.
    Lapsed,
    /// It is no longer this worker's: nobody waits for its result, and another one may run.
    Superseded,
}

impl Stop {
    /// Whether its command is to be gone now, whatever it still does.
    pub(crate) fn bears_no_grace(self) -> bool {
        self.urgency() > 0
    }

    fn urgency(self) -> u8 {
        match self {
            Self::Cancelled | Self::Interrupted | Self::Disconnected => 0,
            Self::Lapsed => 1,
            Self::Superseded => 2,
        }
    }
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
    /// Wishes. The first wish names the cause; only one that is more urgent overrides another.
    pub(crate) fn stop(&self, why: Stop) {
        self.0.send_if_modified(|wish| {
            let heard = wish.is_none_or(|wished| why.urgency() > wished.urgency());
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

    /// Waits for a wish that bears no grace.
    pub(crate) async fn at_once(&mut self) {
        self.matching(Stop::bears_no_grace).await;
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
    async fn the_first_wish_names_the_cause_and_only_a_more_urgent_one_overrides_it() {
        let (handle, mut signal) = channel();
        handle.stop(Stop::Cancelled);
        handle.stop(Stop::Interrupted);
        assert_eq!(signal.requested().await, Stop::Cancelled);
        handle.stop(Stop::Lapsed);
        signal.at_once().await;
        handle.stop(Stop::Superseded);
        handle.stop(Stop::Lapsed);
        handle.stop(Stop::Cancelled);
        assert_eq!(signal.requested().await, Stop::Superseded);
        signal.at_once().await;
    }
}
