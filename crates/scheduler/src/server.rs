//! Accepts connections and gives each client only so much time: a head, or an idle connection, may take as
//! long as a request may, and an answer must be taken at some rate. Only so many are open at once; one more is a
//! [spare](crate::spares).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use distrack_transport::{ServerStream, ServerTls};
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

use crate::load::Spare;
use crate::patient::Patient;
use crate::settings::Settings;
use crate::spares::{HEAD_WITHIN, LASTS, Spares};

/// Serves until `shutdown`, then lets requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &Settings,
    shutdown: &CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.request_timeout);
    let mut short = http.clone();
    short.header_read_timeout(HEAD_WITHIN.min(settings.request_timeout)).keep_alive(false);
    let connections = GracefulShutdown::new();
    let cut = CancellationToken::new();
    let places = Arc::new(Semaphore::new(settings.connections));
    let spares = Spares::default();
    loop {
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
        let place = Arc::clone(&places).try_acquire_owned().ok();
        let is_spare = place.is_none();
        let routes = router.clone().map_request(move |mut request: Request<Incoming>| {
            // Some routes are for this machine alone.
            request.extensions_mut().insert(ConnectInfo(peer));
            if is_spare {
                request.extensions_mut().insert(Spare);
            }
            request
        });
        let http = if is_spare { &short } else { &http };
        let stream = prepare(stream, settings.answer_timeout, settings.tls.as_ref());
        let connection = http.serve_connection(stream, TowerToHyperService::new(routes));
        let connection = cut.clone().run_until_cancelled_owned(connections.watch(connection));
        let ended = async move {
            if let Some(Err(error)) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        };
        if is_spare {
            let gone = spares.let_in();
            tokio::spawn(gone.run_until_cancelled_owned(tokio::time::timeout(LASTS, ended)));
        } else {
            tokio::spawn(ended);
        }
    }
    drop((listener, router));
    if tokio::time::timeout(settings.shutdown_grace, connections.shutdown()).await.is_err() {
        tracing::warn!("connections are cut: they did not finish in time");
        cut.cancel();
    }
}

fn prepare(
    stream: TcpStream,
    answer_timeout: Duration,
    tls: Option<&ServerTls>,
) -> TokioIo<ServerStream<Patient>> {
    // An answer is written at once or not at all: waiting to fill a packet only delays it.
    let _ = stream.set_nodelay(true);
    // Below TLS, so that it sees what the client takes.
    TokioIo::new(ServerStream::new(Patient::new(stream, answer_timeout), tls))
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
