//! Logs and metrics of distrack: one door, so that every service says the same things in the same way.
//!
//! Services take a [`Metrics`] and make their own instruments in their `metrics.rs`; the binary calls
//! [`logs::init`] once and serves [`admin::serve`] beside each gRPC service.

mod accept;
pub mod admin;
mod admin_log;
pub mod buckets;
mod clock;
mod exemplars;
pub mod histogram;
mod log_filter;
mod log_format;
mod log_layer;
pub mod logs;
pub mod metrics;
pub mod names;
mod openmetrics;
pub mod queue_label;
pub mod readiness;
pub mod rpc;
pub mod spans;
pub mod traces;

pub use histogram::{Histogram, HistogramVec};
pub use metrics::Metrics;
pub use queue_label::QueueLabel;
pub use readiness::Readiness;
pub use traces::Traces;
