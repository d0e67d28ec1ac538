//! A lean HTTP/1.1 client: one connection, one request at a time, nothing between it and the wire.
//!
//! It shares the machine with what it measures, so that each microsecond it takes is one that is missing there. The
//! calibrator of bare HTTP uses the same client.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::settings::Server;

/// No scheduler answers.
#[derive(Debug)]
pub struct Unreachable(pub String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "no scheduler answers at {}; start one with distrack up, or measure one of its own with --self",
            self.0
        )
    }
}

impl std::error::Error for Unreachable {}

/// What is sent: the same for all requests of a kind.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Bytes,
}

impl Call {
    /// A request without a body.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new() }
    }

    /// A request with JSON.
    pub(crate) fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, path: path.into(), body: body.into() }
    }
}

/// What came back.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// Whether it is a 2xx.
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a 2xx.
    pub(crate) fn good(self) -> Result<Bytes> {
        if self.is_good() {
            return Ok(self.body);
        }
        let text = String::from_utf8_lossy(&self.body);
        bail!("the scheduler answered {}: {}", self.status, text.chars().take(300).collect::<String>())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a server, which is made again when the server has closed it.
pub(crate) struct Connection {
    server: Arc<Server>,
    host: HeaderValue,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection that is made with its first request.
    pub(crate) fn new(server: &Arc<Server>) -> Self {
        let authority = server.uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("localhost"));
        Self { server: Arc::clone(server), host, sender: None }
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn call(&mut self, call: &Call) -> Result<Answer> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            self.sender = Some(self.connect().await?);
        }
        let sender = self.sender.as_mut().context("a connection was made")?;
        let answered = async {
            sender.ready().await?;
            let response = sender.send_request(request(&self.server, &self.host, call)).await?;
            let status = response.status().as_u16();
            Ok(Answer { status, body: response.into_body().collect().await?.to_bytes() })
        };
        let answer: Result<Answer, hyper::Error> = answered.await;
        if answer.is_err() {
            self.sender = None;
        }
        answer.with_context(|| format!("{} {} got no answer", call.method, call.path))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let uri = &self.server.uri;
        let unreachable = || Unreachable(uri.to_string().trim_end_matches('/').to_owned());
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or("localhost").trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tcp = TcpStream::connect((host, port)).await.map_err(|_| unreachable())?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match (&self.server.tls, secure) {
            (Some(tls), true) => {
                let name = ServerName::try_from(host.to_owned())?;
                let tls = TlsConnector::from(Arc::clone(tls));
                Box::new(tls.connect(name, tcp).await.with_context(|| format!("no TLS with {host}"))?)
            }
            _ => Box::new(tcp),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end is seen by the sender.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

fn request(server: &Server, host: &HeaderValue, call: &Call) -> Request<Full<Bytes>> {
    let below = server.uri.path().trim_end_matches('/');
    let path = if below.is_empty() { call.path.clone() } else { format!("{below}{}", call.path) };
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = path.parse::<Uri>().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(HOST, host.clone());
    if let Some(token) = &server.token {
        headers.insert(AUTHORIZATION, token.clone());
    }
    if call.method == Method::POST {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
}
