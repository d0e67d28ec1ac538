//! How a worker is told to stop.

use tokio_util::sync::CancellationToken;

/// Two wishes, the second of which cuts the first short.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Take nothing new, let what runs end, deliver what is known of it.
    pub drain: CancellationToken,
    /// End now: commands are killed, and nobody is told.
    pub now: CancellationToken,
}

impl From<CancellationToken> for Shutdown {
    /// A shutdown that always drains.
    fn from(drain: CancellationToken) -> Self {
        Self { drain, now: CancellationToken::new() }
    }
}
