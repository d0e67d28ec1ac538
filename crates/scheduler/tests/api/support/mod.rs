//! A scheduler on a free port and what the tests ask it with.

pub(crate) mod collector;
mod contract;
pub(crate) mod fleet;
pub(crate) mod log;
pub(crate) mod store;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_scheduler::Settings;
use distrack_store::Store;
use distrack_telemetry::{Metrics, Readiness, Traces};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use fleet::Worker;
pub(crate) use store::FaultyStore;

/// A scheduler that serves until it is dropped or told to stop.
pub(crate) struct Scheduler {
    pub(crate) address: String,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    client: Client,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Scheduler {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let store = FaultyStore::empty();
        store.real().migrate().await.unwrap();
        Self::over(store, settings).await
    }

    pub(crate) async fn over(store: FaultyStore, settings: Settings) -> Self {
        Self::traced_over(store, settings, Traces::off()).await
    }

    /// With spans that go somewhere.
    pub(crate) async fn traced(settings: Settings, traces: Traces) -> Self {
        let store = FaultyStore::empty();
        store.real().migrate().await.unwrap();
        Self::traced_over(store, settings, traces).await
    }

    async fn traced_over(store: FaultyStore, settings: Settings, traces: Traces) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let store = Arc::new(store);
        let shutdown = CancellationToken::new();
        let readiness = Readiness::waiting("starting");
        let metrics = Metrics::new("scheduler");
        let served = distrack_scheduler::serve(
            listener,
            Arc::clone(&store) as Arc<dyn Store>,
            settings,
            metrics,
            traces,
            readiness,
            shutdown.clone(),
        );
        // Plain HTTP: nobody is trusted, so that no system has to say whom it trusts.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider);
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let client = Client::builder().no_proxy().tls_backend_preconfigured(tls).build().unwrap();
        Self { address, store, shutdown, served: tokio::spawn(served), client }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn post_empty(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::POST, path)).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    /// Submits a task and gives its id.
    pub(crate) async fn submit(&self, body: &Value) -> distrack_core::TaskId {
        let answer = self.post("/v1/tasks", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["task_id"].as_str().unwrap().parse().unwrap()
    }

    /// A worker of the fleet behind the database.
    pub(crate) async fn worker(&self) -> Worker {
        Worker::join(self.store.real()).await
    }

    /// The value of a metric by its full line name.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Self::read(client.execute(request).await.unwrap()).await;
        contract::check(&method, &path, answer.status);
        answer
    }

    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        Self { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem of this status and code, and gives the fields at fault.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("/docs#{code}"), "{problem}");
        for key in ["title", "detail", "instance"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {problem}");
        }
        assert_eq!(problem["trace_id"].as_str().map(str::len), Some(32), "{problem}");
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

/// Waits until a condition holds, for a limited time.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < limit, "did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
