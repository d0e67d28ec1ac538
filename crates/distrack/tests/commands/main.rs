//! The released binary as people and scripts use it: its client commands, its words, its signals, its start.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod bench;
mod benchmark;
mod client;
mod explain;
mod https;
mod program;
mod signals;
mod start;
mod tokens;
mod trust;
mod waiting;
