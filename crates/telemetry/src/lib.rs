//! Logs and metrics of distrack: one door, so that every service says the same things in the same way.
//!
//! Services take a [`Metrics`] and make their own instruments in their `metrics.rs`; the binary calls
//! [`logs::init`] once and serves [`admin::serve`] beside each gRPC service.

pub mod admin;
pub mod logs;
pub mod metrics;
pub mod readiness;

pub use metrics::Metrics;
pub use readiness::Readiness;
