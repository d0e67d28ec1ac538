//! The settings of every role, typed and checked. Reading them binds nothing and starts nothing.

pub(crate) mod database;
pub(crate) mod environment;
pub(crate) mod isolation;
mod layers;
pub(crate) mod problems;
pub(crate) mod reader;
mod role;
pub(crate) mod roles;
pub(crate) mod shared;
pub(crate) mod table;
pub(crate) mod trust;
pub(crate) mod values;

pub(crate) use database::Database;
pub(crate) use environment::Environment;
pub(crate) use layers::{Flags, Layers};
pub(crate) use problems::{Problems, masked};
pub(crate) use reader::Reader;
pub(crate) use table::Role;
pub(crate) use values::Listen;

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
