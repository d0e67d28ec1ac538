//! What is written down of a request that changes something: who, from where, and what for.

use distrack_core::{NewTask, Program, QueueName, TaskId};
use distrack_store::{AuditAction, AuditNote, AuditToken};
use sha2::{Digest, Sha256};

use crate::caller::Caller;
use crate::request_trace::RequestTrace;

/// The note of a request that makes `task`.
pub(crate) fn of_task(
    action: AuditAction,
    caller: &Caller,
    trace: &RequestTrace,
    task: &NewTask,
) -> AuditNote {
    AuditNote {
        task: Some(task.id),
        other_task: task.retry_of,
        queue: Some(task.queue.clone()),
        command_hash: Some(hash_of(&task.spec.program)),
        ..note(action, caller, trace)
    }
}

/// The note of a request that makes `tasks`: one for all.
pub(crate) fn of_batch(caller: &Caller, trace: &RequestTrace, tasks: &[NewTask]) -> AuditNote {
    let mut hash = Sha256::new();
    tasks.iter().for_each(|task| hash.update(hash_of(&task.spec.program)));
    AuditNote {
        task: tasks.first().map(|task| task.id),
        other_task: tasks.iter().map(|task| task.id).max(),
        count: u32::try_from(tasks.len()).unwrap_or(u32::MAX),
        queue: common(tasks.iter().map(|task| &task.queue)),
        command_hash: Some(hash.finalize().into()),
        ..note(AuditAction::Submit, caller, trace)
    }
}

/// The note of a request that cancels `task`.
pub(crate) fn of_cancel(caller: &Caller, trace: &RequestTrace, task: TaskId) -> AuditNote {
    AuditNote { task: Some(task), ..note(AuditAction::Cancel, caller, trace) }
}

fn note(action: AuditAction, caller: &Caller, trace: &RequestTrace) -> AuditNote {
    let token = caller.token.as_ref();
    AuditNote {
        action,
        task: None,
        other_task: None,
        count: 1,
        token: token.map(|token| AuditToken { id: token.id.clone(), name: token.name.clone() }),
        address: (!caller.address.is_unspecified()).then_some(caller.address),
        queue: None,
        command_hash: None,
        trace_id: trace.context.trace_id,
    }
}

/// The queue that all have.
fn common<'a>(mut queues: impl Iterator<Item = &'a QueueName>) -> Option<QueueName> {
    let first = queues.next()?;
    queues.all(|queue| queue == first).then(|| first.clone())
}

/// What can be compared with a command that somebody has: `printf %s COMMAND | sha256sum`.
fn hash_of(program: &Program) -> [u8; 32] {
    match program {
        Program::Command(line) => Sha256::digest(line).into(),
        Program::Argv(argv) => Sha256::digest(argv.join("\0")).into(),
    }
}
