//! How long this worker may believe that it is not lost, by its own clock, and what it does before that is over.
//!
//! A lease runs from the moment in which the last acknowledged heartbeat was sent, never from its answer: the
//! fleet counts from an instant in between. The clock goes on while the machine sleeps.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::attachment::Attachment;
use crate::clock::Moment;
use crate::held::Held;
use crate::stop::Stop;

/// The most that commands have between SIGTERM and the end of the lease, and between SIGKILL and it.
const TERM_BEFORE: Duration = Duration::from_secs(10);
const KILL_BEFORE: Duration = Duration::from_secs(5);
/// How often the clock is looked at: a timer stands still while the machine sleeps.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lease(Arc<watch::Sender<Option<Term>>>);

/// What was acknowledged last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Term {
    sent: Moment,
    lost_after: Duration,
}

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It holds.
    Good,
    /// It ends soon: commands are told to.
    Ending,
    /// As good as over: nothing of this worker may run any more.
    Over,
}

impl Term {
    fn at(self, now: Moment) -> Standing {
        let age = now.since(self.sent);
        if age < self.lost_after - TERM_BEFORE.min(self.lost_after / 3) {
            Standing::Good
        } else if age < self.lost_after - KILL_BEFORE.min(self.lost_after / 6) {
            Standing::Ending
        } else {
            Standing::Over
        }
    }
}

impl Lease {
    /// None yet.
    pub(crate) fn none() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// A coordinator has answered what was sent then.
    pub(crate) fn acknowledged(&self, sent: Moment, lost_after: Duration) {
        self.0.send_replace(Some(Term { sent, lost_after }));
    }

    /// Ends what runs before the lease does, and takes nothing new until a registration, for ever.
    pub(crate) async fn obey(self, held: Arc<Held>, attachment: Attachment, stop: CancellationToken) {
        let watch = async {
            let mut told = None;
            loop {
                let term = *self.0.borrow();
                if let Some(term) = term {
                    told = obey(term, Moment::now(), told, &held, &attachment);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let () = stop.run_until_cancelled(watch).await.unwrap_or_default();
    }
}

/// Does what a term asks for now; `told` is what it was the last time. Returns what it is to be the next time.
fn obey(
    term: Term,
    now: Moment,
    told: Option<(Term, Standing)>,
    held: &Held,
    attachment: &Attachment,
) -> Option<(Term, Standing)> {
    let standing = term.at(now);
    if told == Some((term, standing)) {
        return told;
    }
    match standing {
        Standing::Good => {}
        Standing::Ending | Standing::Over => {
            // First, so that nothing is taken that would not be stopped.
            held.lapse();
            attachment.renew();
            if told.is_none_or(|(earlier, was)| earlier != term || was == Standing::Good) {
                warn!(
                    running = held.counts().borrow().running,
                    since_ms = millis(now.since(term.sent)),
                    lost_after_ms = millis(term.lost_after),
                    "no coordinator has answered for too long, commands are stopped before others run them"
                );
            }
            held.stop_all(Stop::Disconnected);
            if standing == Standing::Over {
                held.stop_all(Stop::Lapsed);
            }
        }
    }
    Some((term, standing))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_stopped_well_before_the_lease_is_over_however_short_it_is() {
        let sent = Moment::now();
        let at = |lost_after: u64, ms: u64| {
            let (boot, wall) = sent.readings();
            let later = i64::try_from(ms).unwrap() * 1_000_000;
            let now = Moment::restore((boot + later, wall + later), true);
            Term { sent, lost_after: Duration::from_secs(lost_after) }.at(now)
        };
        for (ms, standing) in [
            (0, Standing::Good),
            (19_999, Standing::Good),
            (20_000, Standing::Ending),
            (24_999, Standing::Ending),
            (25_000, Standing::Over),
            (3_600_000, Standing::Over),
        ] {
            assert_eq!(at(30, ms), standing, "{ms} ms");
        }
        for (ms, standing) in [
            (1_999, Standing::Good),
            (2_000, Standing::Ending),
            (2_499, Standing::Ending),
            (2_500, Standing::Over),
        ] {
            assert_eq!(at(3, ms), standing, "{ms} ms");
        }
        assert_eq!(at(0, 0), Standing::Over);
    }
}
