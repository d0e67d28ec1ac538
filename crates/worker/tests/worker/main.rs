//! The worker as coordinators see it, over real gRPC and with real commands.

mod attach;
mod common;
mod coordinator;
mod dispatch;
mod drain;
