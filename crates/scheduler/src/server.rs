//! Accepts connections and gives each client only so much time: a head, or an idle connection, may take as
//! long as a request may. Only so many are open at once; one more waits to be accepted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::settings::Settings;

/// Serves until `shutdown`, then lets requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &Settings,
    shutdown: &CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.request_timeout);
    let connections = GracefulShutdown::new();
    let cut = CancellationToken::new();
    let places = Arc::new(Semaphore::new(settings.connections));
    loop {
        // Before the accept: who waits does so in the kernel's queue, where it costs next to nothing.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    survive(&error).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        // Some routes are for this machine alone.
        let routes = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let connection = http.serve_connection(prepare(stream), TowerToHyperService::new(routes));
        let connection = cut.clone().run_until_cancelled_owned(connections.watch(connection));
        tokio::spawn(async move {
            if let Some(Err(error)) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        });
    }
    drop((listener, router));
    if tokio::time::timeout(settings.shutdown_grace, connections.shutdown()).await.is_err() {
        tracing::warn!("connections are cut: they did not finish in time");
        cut.cancel();
    }
}

fn prepare(stream: TcpStream) -> TokioIo<TcpStream> {
    // An answer is written at once or not at all: waiting to fill a packet only delays it.
    let _ = stream.set_nodelay(true);
    TokioIo::new(stream)
}

/// A client that is gone already is nothing; running out of descriptors passes.
async fn survive(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
