//! Hints: in-process, since one process owns the file.

use distrack_store::shared::Changed;
use distrack_store::{Hint, Waker, Wakeup};

/// Raises hints in this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    waker: Waker,
}

impl Hints {
    pub(crate) fn raise(&self, hint: Hint) {
        self.waker.raise(hint);
    }

    pub(crate) fn raise_ended(&self, changed: Changed) {
        if changed.due {
            self.raise(Hint::Due);
        }
        if changed.done {
            self.raise(Hint::Done);
        }
    }

    pub(crate) fn wakeup(&self, hint: Hint) -> Wakeup {
        self.waker.wakeup(hint)
    }
}
