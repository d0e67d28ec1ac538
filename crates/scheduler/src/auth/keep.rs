//! What goes on beside the requests: noting which tokens are used, and not letting anybody forget that nobody
//! is asked for one.

use std::time::Duration;

use distrack_telemetry::Readiness;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::settings::AuthMode;

/// How often the use of tokens is written down.
const NOTE: Duration = Duration::from_secs(2);
/// How long the last note may take.
const LAST: Duration = Duration::from_secs(1);
/// How often it is said that there is no check.
const SAY: Duration = Duration::from_secs(60);

/// What `/readyz` says then.
const OFF: &str =
    "\"auth\":\"OFF: --insecure_no_auth is set, whoever reaches this port runs commands on the fleet\"";

/// Runs until the scheduler stops.
pub(crate) async fn keep(app: App, readiness: Readiness) {
    let is_off = app.settings.auth.mode == AuthMode::Off;
    if is_off {
        readiness.remark(OFF);
    }
    let (mut note, mut say) = (tokio::time::interval(NOTE), tokio::time::interval(SAY));
    note.set_missed_tick_behavior(MissedTickBehavior::Delay);
    say.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = note.tick() => {
                // Whoever stops waits for no database, and what is not noted was but a use.
                app.shutdown.run_until_cancelled(app.verifier.note_used(&app)).await;
            }
            _ = say.tick(), if is_off => {
                tracing::error!(
                    "NO AUTHENTICATION: --insecure_no_auth is set, whoever reaches this port runs commands on the \
                     fleet; use --auth=tokens instead"
                );
            }
            () = app.shutdown.cancelled() => break,
        }
    }
    let _ = tokio::time::timeout(LAST, app.verifier.note_used(&app)).await;
}
