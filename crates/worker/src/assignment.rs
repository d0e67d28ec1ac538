//! An attempt as a coordinator hands it over, read and checked before anything else sees it.

use distrack_core::{AttemptRef, QueueName, TaskSpec, TraceContext};
use distrack_proto::convert::{self, Invalid};
use distrack_proto::v1;

/// An attempt to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    /// Which.
    pub(crate) attempt: AttemptRef,
    /// Its number for the user, from 1.
    pub(crate) number: u32,
    /// The queue that its task waited in.
    pub(crate) queue: QueueName,
    /// What to run.
    pub(crate) spec: TaskSpec,
    /// The attempt's span; `None` when the coordinator sent none that can be read.
    pub(crate) trace: Option<TraceContext>,
}

impl TryFrom<v1::Assignment> for Assignment {
    type Error = Invalid;

    fn try_from(wire: v1::Assignment) -> Result<Self, Invalid> {
        let attempt = convert::attempt_ref(wire.attempt.as_ref())?;
        if wire.number == 0 {
            return Err(Invalid::new("number", "must be at least 1"));
        }
        let queue = wire.queue.parse().map_err(|message: String| Invalid::new("queue", message))?;
        let command = wire.command.ok_or_else(|| Invalid::new("command", "is missing"))?;
        let trace =
            wire.trace.and_then(|trace| TraceContext::parse(&trace.traceparent, Some(&trace.tracestate)));
        Ok(Self { attempt, number: wire.number, queue, spec: convert::task_spec(command)?, trace })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assignment, wire};

    #[test]
    fn an_assignment_is_read_as_it_was_sent() {
        let sent = assignment("echo hello");
        assert_eq!(Assignment::try_from(wire(&sent)).unwrap(), sent);
    }

    #[test]
    fn each_bad_field_is_named() {
        let good = || wire(&assignment("true"));
        let field = |bad: v1::Assignment| Assignment::try_from(bad).unwrap_err().field;
        assert_eq!(field(v1::Assignment { attempt: None, ..good() }), "attempt");
        assert_eq!(field(v1::Assignment { number: 0, ..good() }), "number");
        assert_eq!(field(v1::Assignment { queue: "No Queue".to_owned(), ..good() }), "queue");
        assert_eq!(field(v1::Assignment { command: None, ..good() }), "command");
        let empty = v1::Command { timeout_ms: 1, ..v1::Command::default() };
        assert_eq!(field(v1::Assignment { command: Some(empty), ..good() }), "command.program");
    }
}
