//! Connections beyond the limit: few, short, and the oldest goes when another comes. So whoever asks for health is let
//! in however many there are, and everybody else hears at once that there are too many.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The most of them.
pub(crate) const SPARES: usize = 256;
/// How long one may take to send its head.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(2);
/// How long one may last.
pub(crate) const LASTS: Duration = Duration::from_secs(5);

/// Those that were let in last.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<VecDeque<CancellationToken>>);

impl Spares {
    /// Lets one more in. It is to end when the token fires.
    pub(crate) fn let_in(&self) -> CancellationToken {
        let token = CancellationToken::new();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(token.clone());
        if open.len() > SPARES
            && let Some(oldest) = open.pop_front()
        {
            oldest.cancel();
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let spares = Spares::default();
        let tokens: Vec<_> = (0..=SPARES).map(|_| spares.let_in()).collect();
        let gone: Vec<_> = tokens.iter().map(CancellationToken::is_cancelled).collect();
        assert!(gone[0] && !gone[1..].contains(&true));
    }
}
