//! What of a stream goes into the database: its first bytes, its last ones, and how many there were.

use distrack_core::StreamOutput;
use distrack_proto::convert::KEPT_PER_END;

/// Head, tail and count of a stream, in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    head: Vec<u8>,
    /// Up to twice what is kept, so that each byte is moved once at most.
    tail: Vec<u8>,
    bytes: u64,
}

impl Kept {
    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(KEPT_PER_END - self.head.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(KEPT_PER_END)..];
        if self.tail.len() + rest.len() > 2 * KEPT_PER_END {
            self.shorten();
        }
        self.tail.extend_from_slice(rest);
    }

    /// How many there were.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is kept.
    pub(crate) fn finish(mut self) -> StreamOutput {
        self.shorten();
        StreamOutput { head: self.head, tail: self.tail, bytes: self.bytes }
    }

    fn shorten(&mut self) {
        let surplus = self.tail.len().saturating_sub(KEPT_PER_END);
        self.tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn head_and_tail_are_the_ends_of_what_was_written(
            chunks in prop::collection::vec((0usize..200_000, any::<u8>()), 0..6)
        ) {
            let mut kept = Kept::default();
            let mut all = Vec::new();
            for (length, seed) in chunks {
                let chunk: Vec<u8> = (0..=250_u8).cycle().take(length).map(|byte| byte ^ seed).collect();
                kept.take(&chunk);
                all.extend(chunk);
            }
            let output = kept.finish();
            let (head, rest) = all.split_at(all.len().min(KEPT_PER_END));
            prop_assert_eq!(output.bytes, all.len() as u64);
            prop_assert!(output.head == head);
            prop_assert!(output.tail == rest[rest.len().saturating_sub(KEPT_PER_END)..]);
        }
    }
}
