//! The services in a simulated network, over a store in memory. For tests only.
//!
//! Nothing here is a second set of rules: [`MemoryStore`] decides with the same pure functions as the stores over
//! databases, and passes the same conformance suite.

mod memory;

pub use memory::{Clock, MemoryStore};
