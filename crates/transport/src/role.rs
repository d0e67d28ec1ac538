//! Who is who between the services, and the name by which a certificate says so.

/// A kind of service that talks to others over gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Hands out tasks.
    Coordinator,
    /// Runs commands.
    Worker,
}

impl Role {
    /// The DNS name that a certificate of this role carries beside those of its host. Nobody resolves it: it says what
    /// the holder may do, wherever it runs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator.distrack",
            Self::Worker => "worker.distrack",
        }
    }
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Whoever has the cluster's credentials, in this role.
    Role(Role),
    /// Whoever has the cluster's credentials, and this machine.
    Known,
    /// Everybody.
    Open,
}

/// The methods of this project, and who may call them. One that is not here can be called by nobody.
const METHODS: [(&str, Role); 6] = [
    ("/distrack.v1.CoordinatorService/RegisterWorker", Role::Worker),
    ("/distrack.v1.CoordinatorService/Heartbeat", Role::Worker),
    ("/distrack.v1.CoordinatorService/ReportAttempts", Role::Worker),
    ("/distrack.v1.CoordinatorService/DeregisterWorker", Role::Worker),
    ("/distrack.v1.WorkerService/Dispatch", Role::Coordinator),
    ("/distrack.v1.WorkerService/CancelAttempts", Role::Coordinator),
];

impl Rule {
    /// The rule of a request's path; none for a method that nobody may call.
    pub fn of(path: &str) -> Option<Self> {
        if path.starts_with("/grpc.health.v1.Health/") {
            return Some(Self::Open);
        }
        if path.starts_with("/grpc.reflection.v1.ServerReflection/") {
            return Some(Self::Known);
        }
        METHODS.iter().find(|(method, _)| *method == path).map(|(_, role)| Self::Role(*role))
    }
}
