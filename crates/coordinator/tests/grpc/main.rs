//! A coordinator over its real gRPC, with a real SQLite store and workers that do as the test says.

mod dispatch;
mod serving;
mod support;
mod wire;
