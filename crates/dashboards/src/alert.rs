//! The alerts that panels show. Their rules are in `observability/prometheus/rules`; a test holds the two together.

const RUNBOOKS: &str = "https://github.com/distrack/distrack/blob/main/docs/runbooks/";

/// An alert by its name, with the value beyond which it fires if that is one number of the panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    name: &'static str,
    limit: Option<f64>,
}

impl Alert {
    /// Fires above `limit`, which the panel draws.
    pub(crate) const fn above(name: &'static str, limit: f64) -> Self {
        Self { name, limit: Some(limit) }
    }

    /// Fires for more reasons than one number.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, limit: None }
    }

    /// Its name in Prometheus.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Beyond which value it fires.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// The page that says what to do.
    pub fn runbook(&self) -> String {
        Self::runbook_of(self.name)
    }

    pub(crate) fn runbook_of(name: &str) -> String {
        format!("{RUNBOOKS}{name}.md")
    }
}
