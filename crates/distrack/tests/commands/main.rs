//! The released binary as people and scripts use it: its client commands, its words, its signals, its start.

mod client;
mod program;
mod signals;
mod start;
mod waiting;
