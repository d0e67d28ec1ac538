//! A coordinator and a worker in this process, and calls of any of their methods.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use distrack_store::Store;
use distrack_store_sqlite::SqliteStore;
use distrack_telemetry::{Metrics, Readiness, Traces};
use distrack_transport::{ClusterToken, Dialer, Network, Reach, Role, Security, Tcp, Transport};
use prost::Message;
use prost_types::FileDescriptorSet;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

pub(crate) const TOKEN: &str = "a-token-of-this-cluster";
const LIMIT: Duration = Duration::from_secs(30);

/// A service; stops when it is dropped.
pub(crate) struct Served {
    pub(crate) role: Role,
    pub(crate) address: SocketAddr,
    _stop: DropGuard,
    _folder: TempDir,
}

/// The token that all have.
pub(crate) fn token(text: &str) -> Option<Arc<ClusterToken>> {
    Some(Arc::new(ClusterToken::new(text).unwrap()))
}

/// Starts a service of a role.
pub(crate) async fn serve(role: Role, security: Security) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let transport = Transport::from(listener).secured(security);
    let stop = CancellationToken::new();
    let readiness = Readiness::waiting("starting");
    match role {
        Role::Coordinator => {
            let store = SqliteStore::open(&folder.path().join("distrack.db")).unwrap();
            store.migrate().await.unwrap();
            let (settings, metrics) =
                (distrack_coordinator::Settings::default(), Metrics::new("coordinator"));
            let stop = stop.clone();
            tokio::spawn(async move {
                let store = Arc::new(store);
                distrack_coordinator::serve(
                    transport,
                    store,
                    settings,
                    metrics,
                    Traces::off(),
                    readiness,
                    stop,
                )
                .await
            });
        }
        Role::Worker => {
            let settings = distrack_worker::Settings {
                // Nobody: what it hands out is not what is tried here.
                coordinators: vec!["127.0.0.1:1".to_owned()],
                output_dir: folder.path().join("output"),
                state_dir: folder.path().join("state"),
                ..distrack_worker::Settings::default()
            };
            let metrics = Metrics::new("worker");
            let stop = stop.clone();
            tokio::spawn(async move {
                distrack_worker::serve(transport, settings, metrics, Traces::off(), readiness, stop).await
            });
        }
    }
    Served { role, address, _stop: stop.drop_guard(), _folder: folder }
}

/// A client that knows the rules.
pub(crate) fn honest(security: Security) -> Dialer {
    over(Tcp, security)
}

/// A client over any network.
pub(crate) fn over(network: impl Network, security: Security) -> Dialer {
    Dialer::new(Arc::new(network)).secured(security)
}

/// What is asked with which every method is called: an empty message.
pub(crate) async fn call(dialer: &Dialer, served: &Served, path: &str) -> Result<(), Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let channel = dialer.channel(&endpoint.connect_timeout(LIMIT), served.role, Reach::Anywhere);
    call_on(&mut tonic::client::Grpc::new(channel), path).await
}

/// The same over a connection that may be open.
pub(crate) async fn call_on(
    client: &mut tonic::client::Grpc<distrack_transport::Channel>,
    path: &str,
) -> Result<(), Status> {
    let unreachable = |error: &dyn std::fmt::Display| Status::unavailable(error.to_string());
    client.ready().await.map_err(|error| unreachable(&error))?;
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let call = client.unary(Request::new(()), path.parse().unwrap(), codec);
    tokio::time::timeout(LIMIT, call).await.expect("it is answered").map(drop)
}

/// How a call was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The method was reached, whatever it said.
    In,
    /// It was not said who calls.
    Unauthenticated,
    /// Somebody called who must not.
    Denied,
    /// There is no connection.
    Cut,
}

/// How a method takes a client.
pub(crate) async fn taken(dialer: &Dialer, served: &Served, path: &str) -> Taken {
    match call(dialer, served, path).await {
        Ok(()) => Taken::In,
        Err(status) => match status.code() {
            Code::Unauthenticated => Taken::Unauthenticated,
            Code::PermissionDenied => Taken::Denied,
            // What the services themselves say of an empty message.
            Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition => Taken::In,
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => Taken::Cut,
            Code::Ok
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss => panic!("{path}: {status:?}"),
        },
    }
}

/// Every method of this project: its path and the role of who serves it.
pub(crate) fn methods() -> Vec<(String, Role)> {
    let set = FileDescriptorSet::decode(distrack_proto::DESCRIPTORS).unwrap();
    let mut methods = Vec::new();
    for file in set.file {
        for service in &file.service {
            let role = match service.name() {
                "CoordinatorService" => Role::Coordinator,
                "WorkerService" => Role::Worker,
                other => panic!("nobody decided who serves {other}"),
            };
            for method in &service.method {
                methods.push((format!("/{}.{}/{}", file.package(), service.name(), method.name()), role));
            }
        }
    }
    methods
}
