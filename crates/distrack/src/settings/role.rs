//! The roles of the program, each of which takes settings of its own.

/// Who takes a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// All three services in one process.
    Up,
    /// The HTTP service.
    Scheduler,
    /// The gRPC service that knows the workers.
    Coordinator,
    /// The gRPC service that runs commands.
    Worker,
    /// Brings a database's schema up to this build's.
    Migrate,
    /// Makes, lists and revokes tokens.
    Token,
    /// Asks a service whether it is ready.
    Health,
    /// The commands that talk to a scheduler.
    Client,
    /// Measures a system.
    Bench,
}

impl Role {
    /// The subcommand of the role.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Scheduler => "scheduler",
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Migrate => "migrate",
            Self::Token => "token",
            Self::Health => "health",
            Self::Client => "the client commands",
            Self::Bench => "bench",
        }
    }
}
