//! The names of attributes: OpenTelemetry semantic conventions 1.42, and our own under `distrack.`.

pub use opentelemetry_semantic_conventions::attribute::{
    DB_OPERATION_NAME, DB_SYSTEM_NAME, ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE, MESSAGING_BATCH_MESSAGE_COUNT, MESSAGING_DESTINATION_NAME, MESSAGING_MESSAGE_ID,
    MESSAGING_OPERATION_NAME, MESSAGING_OPERATION_TYPE, MESSAGING_SYSTEM, PROCESS_COMMAND_ARGS,
    PROCESS_EXECUTABLE_NAME, PROCESS_EXIT_CODE, PROCESS_PID, RPC_METHOD, RPC_RESPONSE_STATUS_CODE,
    RPC_SYSTEM_NAME, SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_SCHEME,
};

/// The task.
pub const TASK_ID: &str = "distrack.task.id";
/// When it was asked to run.
pub const TASK_SCHEDULED_AT: &str = "distrack.task.scheduled_at";
/// Its state from then on.
pub const TASK_STATE: &str = "distrack.task.state";
/// The number of the attempt.
pub const ATTEMPT: &str = "distrack.attempt";
/// Its fencing token.
pub const EPOCH: &str = "distrack.epoch";
/// `scheduled` or `ready`.
pub const QUEUED_PHASE: &str = "distrack.queued.phase";
/// The worker's name.
pub const WORKER: &str = "distrack.worker";
/// `success` or the cause of the failure.
pub const OUTCOME: &str = "distrack.outcome";
/// What became of a dispatch.
pub const DISPATCH_RESULT: &str = "distrack.dispatch.result";
/// The signal that ended a command.
pub const PROCESS_SIGNAL: &str = "distrack.process.signal";
/// Its largest resident set.
pub const PROCESS_MAX_RSS: &str = "distrack.process.max_rss_bytes";
/// Its processor time in user mode.
pub const PROCESS_CPU_USER: &str = "distrack.process.cpu_user_seconds";
/// Its processor time in the kernel.
pub const PROCESS_CPU_SYSTEM: &str = "distrack.process.cpu_system_seconds";
/// What it wrote on standard output.
pub const PROCESS_STDOUT: &str = "distrack.process.stdout_bytes";
/// What it wrote on standard error.
pub const PROCESS_STDERR: &str = "distrack.process.stderr_bytes";
/// Why a link is there.
pub const LINK: &str = "distrack.link";
/// A link's role: to the submission.
pub const LINK_SUBMISSION: &str = "submission";
/// A link's role: to the attempt before.
pub const LINK_PREVIOUS: &str = "previous_attempt";
/// A link's role: from a batch to one of its attempts.
pub const LINK_ATTEMPT: &str = "attempt";
/// A link's role: from a task of a large batch to the request that submitted it.
pub const LINK_REQUEST: &str = "request";
