//! Which queues are counted under their own name. Users name queues, so their number must be bounded here.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// Queues that keep their name; later ones are counted as [`OTHER`].
pub const MAX_QUEUES: usize = 100;

/// The name under which all other queues are counted.
pub const OTHER: &str = "other";

/// The queues that were seen first. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct QueueLabel {
    named: Arc<RwLock<HashSet<Box<str>>>>,
}

impl QueueLabel {
    /// No queue was seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The label of a queue: its name, or `other`. The same every time for as long as the process runs.
    pub fn of<'a>(&self, queue: &'a str) -> &'a str {
        if self.is_named(queue) { queue } else { OTHER }
    }

    fn is_named(&self, queue: &str) -> bool {
        {
            let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
            if named.contains(queue) {
                return true;
            }
            // Asked before the lock for writing is taken: with many queues this is the common answer.
            if named.len() >= MAX_QUEUES {
                return false;
            }
        }
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if named.len() < MAX_QUEUES {
            named.insert(queue.into());
        }
        named.contains(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_queues_keep_their_name_and_later_ones_share_one() {
        let label = QueueLabel::new();
        let queues: Vec<String> = (0..2 * MAX_QUEUES).map(|n| format!("q{n}")).collect();
        for _ in 0..2 {
            for (index, queue) in queues.iter().enumerate() {
                let expected = if index < MAX_QUEUES { queue.as_str() } else { OTHER };
                assert_eq!(label.of(queue), expected);
            }
        }
    }

    #[test]
    fn however_many_threads_ask_at_once_no_more_than_a_hundred_keep_their_name() {
        let label = QueueLabel::new();
        let own = |thread: usize| {
            let label = label.clone();
            move || {
                let queues: Vec<String> = (0..80).map(|n| format!("{thread}-{n}")).collect();
                queues.into_iter().filter(|queue| label.of(queue) == queue).collect::<HashSet<_>>()
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| std::thread::spawn(own(thread))).collect();
        let named: usize = threads.into_iter().map(|thread| thread.join().unwrap().len()).sum();
        assert_eq!(named, MAX_QUEUES);
    }
}
