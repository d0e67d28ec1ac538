//! What a coordinator does with assignments that are on their way to a worker.
//!
//! Only what provably never arrived, or what the worker itself refused, is given back. Without an answer nobody
//! knows: the same epochs are sent again, and in the end the worker is made to say what it holds.

/// Silent tries before the registration is dropped.
pub const TRIES: u32 = 4;

/// A worker's word on one assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// It holds the attempt, or has held it.
    Accepted,
    /// It has no room for it and never took it.
    NoSlot,
    /// It takes nothing new and never took it.
    Draining,
}

impl Acceptance {
    /// Whether the attempt is given back: the worker says itself that it does not have it and never will.
    pub fn gives_back(self) -> bool {
        match self {
            Self::Accepted => false,
            Self::NoSlot | Self::Draining => true,
        }
    }
}

/// What a try brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// One word for each attempt.
    Accepted,
    /// It provably did not arrive at the session's worker.
    NotDelivered,
    /// The worker is registering at this moment and took nothing.
    Later,
    /// The worker cannot read it and never will; it took nothing.
    Unreadable,
    /// Nobody knows.
    Silent,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// The worker has spoken for each attempt.
    Settled,
    /// The same in a moment.
    Later,
    /// Each attempt alone; one that is alone already is ended.
    Separate,
    /// The attempts are given back.
    GiveBack,
    /// The same epochs again, after a pause.
    Again,
    /// The registration is dropped: registering anew, the worker says which of the attempts it holds.
    Renounce,
    /// Nothing: the worker's next registration tells.
    Leave,
}

/// Attempts on their way, as far as it matters for what is done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sending {
    maybe_sent: bool,
    tries: u32,
}

impl Sending {
    /// Whether an earlier try may have arrived.
    pub fn maybe_sent(self) -> bool {
        self.maybe_sent
    }

    /// Tries that nobody answered.
    pub fn tries(self) -> u32 {
        self.tries
    }

    /// Takes the answer to a try.
    pub fn hear(&mut self, answer: Answer) -> Next {
        match answer {
            Answer::Accepted => Next::Settled,
            Answer::Later => Next::Later,
            Answer::Unreadable => Next::Separate,
            Answer::NotDelivered if !self.maybe_sent => Next::GiveBack,
            Answer::NotDelivered | Answer::Silent => {
                self.maybe_sent = true;
                self.tries += 1;
                if self.tries >= TRIES { Next::Renounce } else { Next::Again }
            }
        }
    }

    /// Nothing more is sent: the registration is no longer the attached one, or the coordinator stops.
    pub fn break_off(self) -> Next {
        if self.maybe_sent { Next::Leave } else { Next::GiveBack }
    }
}

/// Whether a registration takes the place of an earlier one: not if it was overtaken on its way.
pub fn replaces(earlier: Option<i64>, attach: i64) -> bool {
    earlier.is_none_or(|earlier| earlier <= attach)
}

/// Slots that may be claimed for.
pub fn free(slots: usize, held: usize) -> usize {
    slots.saturating_sub(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_arrived_is_never_given_back_without_the_workers_word() {
        let mut sending = Sending::default();
        assert_eq!(sending.break_off(), Next::GiveBack);
        assert_eq!(sending.hear(Answer::Silent), Next::Again);
        assert_eq!(sending.hear(Answer::NotDelivered), Next::Again, "the first try may have arrived");
        assert_eq!(sending.break_off(), Next::Leave);
        assert_eq!(sending.hear(Answer::Later), Next::Later);
        assert_eq!(sending.hear(Answer::Silent), Next::Again);
        assert_eq!(sending.hear(Answer::Silent), Next::Renounce);
    }

    #[test]
    fn what_provably_never_arrived_is_given_back() {
        assert_eq!(Sending::default().hear(Answer::NotDelivered), Next::GiveBack);
    }

    #[test]
    fn an_overtaken_registration_changes_nothing() {
        assert!(replaces(None, 1) && replaces(Some(1), 2) && replaces(Some(2), 2));
        assert!(!replaces(Some(3), 2));
    }
}
