//! What an operator may set.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use distrack_core::QueueName;
use distrack_store::Access;
use distrack_transport::ServerTls;

/// A task of the scheduler's own that must complete, again and again, so that silence is an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// How often one is submitted, and how long it may take.
    pub interval: Duration,
    /// The queue that it waits in.
    pub queue: QueueName,
}

/// Who may call without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Callers of this machine. Everybody else needs one.
    #[default]
    Local,
    /// Nobody.
    Tokens,
    /// Everybody: there is no check.
    Off,
}

impl AuthMode {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Tokens => "tokens",
            Self::Off => "off",
        }
    }
}

/// Who may call.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Who needs no token.
    pub mode: AuthMode,
    /// The tokens that are good; without any, none is.
    pub tokens: Option<Arc<dyn Access>>,
    /// An address whose callers count as being on this machine, besides loopback: see
    /// [`container_gateway`](crate::container_gateway).
    pub gateway: Option<IpAddr>,
    /// The most requests in a second by one token; 0 for no limit.
    pub rate_limit: u32,
}

impl Default for Auth {
    fn default() -> Self {
        Self { mode: AuthMode::Local, tokens: None, gateway: None, rate_limit: 1000 }
    }
}

/// Settings of the scheduler.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host names under which the API may be asked, besides `localhost` and every IP address: the machine's
    /// own name, a name in DNS, the name of a container. `*` permits any. Ports do not matter.
    pub allowed_hosts: Vec<String>,
    /// Who may call.
    pub auth: Auth,
    /// What makes it HTTPS; plain HTTP without it.
    pub tls: Option<ServerTls>,
    /// Where people reach a Jaeger that has the traces, without a slash at the end: links lead there.
    pub jaeger_url: Option<String>,
    /// Single submissions that may wait for their commit at once; one more gets 503. As many rows may wait
    /// as batches.
    pub intake_limit: usize,
    /// Connections that may be open at once; one more is only told of health, or that it is one too many.
    pub connections: usize,
    /// Requests that may be worked on at once; one more gets 503. Those that only wait for the end of a task do not
    /// count: of them, half as many may wait as there may be connections.
    pub requests: usize,
    /// How long a client may take nothing of its answer, or next to nothing.
    pub answer_timeout: Duration,
    /// How long a client may take to send a request's head, and then its body.
    pub request_timeout: Duration,
    /// How long one step of the store may take before the request is answered with 503.
    pub store_timeout: Duration,
    /// How long connections may take to finish after the shutdown began.
    pub shutdown_grace: Duration,
    /// Whether the scheduler submits tasks of its own, to see that they complete.
    pub canary: Option<Canary>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            auth: Auth::default(),
            tls: None,
            jaeger_url: None,
            intake_limit: 10_000,
            connections: 4096,
            requests: 1024,
            answer_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            store_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(30),
            canary: None,
        }
    }
}
