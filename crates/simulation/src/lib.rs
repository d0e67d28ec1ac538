//! The services in a simulated network, over a store in memory. For tests only.
//!
//! Everything is decided by a seed: which messages are late, lost or cut off, who dies when, how fast the database's
//! clock goes. Nothing here is a second set of rules: [`MemoryStore`] decides with the same pure functions as the stores
//! over databases, and passes the same conformance suite; coordinators and workers are the real ones. Start reading at
//! [`simulate`].

mod check;
mod commands;
mod faults;
mod memory;
mod network;
mod world;
mod wrong;

pub use memory::{Clock, MemoryStore};
pub use world::{Report, simulate};
