//! What the tests of distrack stand on: a throw-away PostgreSQL, fresh databases, real processes of the
//! released binary, and conditions with a time limit.
//!
//! Never part of the product, and it depends on no other crate of the workspace: it sees distrack from the
//! outside, as its users do. Nothing here is a mock.
//!
//! Start reading at [`Fleet`] and [`Up`] for whole systems, at [`TestDatabase`] for everything else.

mod api;
mod database;
mod environment;
mod eventually;
mod fleet;
mod migrate;
mod port;
mod postgres;
mod process;
mod process_tree;
mod wrap;

pub use api::{Answer, Api};
pub use database::TestDatabase;
pub use environment::test_postgres_url;
pub use eventually::{Look, eventually};
pub use fleet::{Fleet, FleetBuilder, Member, Up};
pub use migrate::migrate;
pub use port::free_port;
pub use postgres::{Postgres, PostgresSettings};
pub use process::{Launch, Process};
pub use wrap::run_to_the_end;

pub use reqwest;
