//! Calls the scheduler's HTTP API and hands back its answers unread.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::tls::Trusted;
use super::token::Token;
use crate::exits;

/// How long one answer may take. The API itself gives up on its database before.
const ANSWER: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);

/// A scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    server: Url,
    token: Option<Token>,
}

/// An answer, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its bytes.
    pub(crate) raw: Vec<u8>,
}

impl Answer {
    /// Reads it.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        self.read()
    }

    /// Reads it as something known.
    pub(crate) fn read<T: for<'a> Deserialize<'a>>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.raw).map_err(|error| {
            Failure::new(exits::FAILED, format!("the answer is not one of a distrack scheduler: {error}"))
        })
    }
}

/// Reads a server's address; `http://` may be left out.
pub(crate) fn server(text: &str) -> Result<Url, String> {
    let whole = match text.strip_prefix(':') {
        Some(port) => format!("http://localhost:{port}"),
        None if text.contains("://") => text.to_owned(),
        None => format!("http://{text}"),
    };
    let wrong = "must be a URL such as http://localhost:8081";
    let url = Url::parse(&whole).map_err(|error| format!("{wrong}: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(wrong.to_owned()),
    }
}

/// An HTTP client that talks straight to `server` when that is this machine, whatever proxy is set.
pub(crate) fn http(server: &Url, trusted: &Trusted) -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .tls_backend_preconfigured(trusted.config())
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("distrack/", env!("CARGO_PKG_VERSION")));
    let builder = if is_local(server) { builder.no_proxy() } else { builder };
    builder.build().expect("these options are valid")
}

fn is_local(server: &Url) -> bool {
    let host = server.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Api {
    /// The API of `server`.
    pub(crate) fn new(server: Url, trusted: &Trusted, token: Option<Token>) -> Self {
        Self { http: http(&server, trusted), server, token }
    }

    /// Asks for `path` with `query`.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Failure> {
        self.send(self.request(Method::GET, path, query)).await
    }

    /// Posts `body` to `path`.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut request = self.request(Method::POST, path, &[]);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.send(request).await
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.server.clone();
        url.path_segments_mut().expect("server() let only http through").pop_if_empty().extend(path);
        let request = self.http.request(method, url);
        let request = match &self.token {
            Some(token) => request.header(reqwest::header::AUTHORIZATION, token.header()),
            None => request,
        };
        if query.is_empty() { request } else { request.query(query) }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let lost = |error: reqwest::Error| match error.is_builder() {
            true => Failure::new(exits::USAGE, format!("the request cannot be written: {error}")),
            false => Failure::unreachable(self.server.as_str().trim_end_matches('/'), &error),
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let raw = response.bytes().await.map_err(lost)?.to_vec();
        if status.is_success() { Ok(Answer { raw }) } else { Err(Failure::refused(status, &raw)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_written_short() {
        let url = |text| server(text).map(|url| url.to_string());
        assert_eq!(url(":9091").unwrap(), "http://localhost:9091/");
        assert_eq!(url("db:9091").unwrap(), "http://db:9091/");
        assert_eq!(url("http://proxy/distrack").unwrap(), "http://proxy/distrack");
        assert_eq!(url("https://db:9091").unwrap(), "https://db:9091/");
        assert!(url("ftp://db").is_err() && url("http://").is_err());
    }

    #[test]
    fn a_path_below_the_servers_own_is_kept_and_segments_are_encoded() {
        let server = server("http://proxy/distrack/").unwrap();
        let api = Api::new(server.clone(), &Trusted::system(&server), None);
        let request = api.request(Method::GET, &["v1", "a/b"], &[]).build().unwrap();
        assert_eq!(request.url().as_str(), "http://proxy/distrack/v1/a%2Fb");
    }
}
