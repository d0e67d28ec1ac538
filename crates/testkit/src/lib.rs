//! What the tests of distrack stand on: a throw-away PostgreSQL, fresh databases, whole systems of real
//! processes or within the test's own, and conditions with a time limit.
//!
//! Never part of the product. It sees distrack from the outside, as its users do, and depends on no other crate
//! of the workspace, but for the feature `cluster`: that one puts the three services together in process, over
//! the store that a test brings. Nothing here is a mock.
//!
//! Start reading at [`Fleet`], [`Up`] and `Cluster` for whole systems, at [`chaos`] for what breaks them, at
//! [`TestDatabase`] for everything else.

mod api;
pub mod chaos;
#[cfg(feature = "cluster")]
mod cluster;
mod collector;
mod database;
mod environment;
mod eventually;
mod fleet;
#[cfg(feature = "cluster")]
mod house;
mod migrate;
mod port;
mod postgres;
mod process;
mod process_tree;
mod proxy;
mod wrap;

pub use api::{Answer, Api};
#[cfg(feature = "cluster")]
pub use cluster::Cluster;
pub use collector::{Collector, ExportedSpan};
pub use database::TestDatabase;
pub use environment::test_postgres_url;
pub use eventually::{Look, eventually};
pub use fleet::{Fleet, FleetBuilder, Member, Up};
#[cfg(feature = "cluster")]
pub use house::through_the_whole_house;
pub use migrate::migrate;
pub use port::free_port;
pub use postgres::{Postgres, PostgresSettings};
pub use process::{Launch, Process};
pub use proxy::Proxy;
pub use wrap::run_to_the_end;

pub use reqwest;
