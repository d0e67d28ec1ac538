//! Who records spans.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;

use super::variables::set;

/// What every service of a process is told apart from other processes by.
#[derive(Clone, Debug)]
pub struct Process {
    instance: String,
    host: Option<String>,
    alone: bool,
}

impl Process {
    /// This process, as the instance of this id. `alone` if it runs one service: `OTEL_SERVICE_NAME` can name that
    /// one, but not three.
    pub fn new(instance: impl Into<String>, host: Option<String>, alone: bool) -> Self {
        Self { instance: instance.into(), host, alone }
    }

    pub(super) fn resource(&self, service: &str) -> Resource {
        let named = set("OTEL_SERVICE_NAME").filter(|_| self.alone);
        let mut own = vec![
            KeyValue::new("service.namespace", "distrack"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", self.instance.clone()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ];
        own.extend(self.host.clone().map(|host| KeyValue::new("host.name", host)));
        // What is said last wins: the user's attributes over ours, and the service's name over all.
        Resource::builder_empty()
            .with_attributes(own)
            .with_detector(Box::new(EnvResourceDetector::new()))
            .with_attribute(KeyValue::new(
                "service.name",
                named.unwrap_or_else(|| format!("distrack-{service}")),
            ))
            .build()
    }
}
