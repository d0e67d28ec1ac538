//! The worker as coordinators see it, over real gRPC and with real commands.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod attach;
mod common;
mod coordinator;
mod disconnect;
mod dispatch;
mod drain;
