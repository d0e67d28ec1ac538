//! The standard `OTEL_*` variables. Everything else a process is told comes through its settings.

/// A variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "OpenTelemetry prescribes the variables and their names")]
pub(super) fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
