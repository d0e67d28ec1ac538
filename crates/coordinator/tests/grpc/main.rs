//! A coordinator over its real gRPC, with a real SQLite store and workers that do as the test says.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod dispatch;
mod doubt;
mod serving;
mod support;
mod wire;
