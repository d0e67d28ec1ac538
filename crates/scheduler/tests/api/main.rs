//! The HTTP API over a real socket, with the embedded database behind it.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod audit;
mod bad_input;
mod batch;
mod canary;
mod connection;
mod fuzz;
mod hang_up;
mod host_and_origin;
mod idempotency;
mod intake;
mod lifecycle;
mod list;
mod log;
mod measured;
mod openapi;
mod output;
mod secrets;
mod service;
mod support;
mod tasks;
mod tokens;
mod trace;
mod traces;
mod wait;
mod why;
