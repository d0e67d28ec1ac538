//! `distrack bench`: measures a distrack, one that runs or one of its own, beside what the machine itself can do.
//!
//! It knows the HTTP API and nothing else of distrack, and a database only to measure that by itself. A figure is what a
//! workload gave, divided by what a calibrator gave right before and right after it: machines differ by a factor of two from
//! one minute to the next. Start reading at [`run()`].

mod against;
mod api;
mod bench;
mod calibrate;
mod check;
mod cost;
mod effects;
mod figure;
mod hammer;
mod hops;
mod http;
mod latency;
mod metrics;
mod pace;
mod progress;
mod report;
mod run;
mod settings;
mod stamp;
mod table;
mod target;
mod whole;
mod workload;

pub use http::Unreachable;
pub use run::{Verdict, run};
pub use settings::{DatabaseUrl, Load, Own, Server, Settings, Target, Workload};
