//! The routes, a file for each kind of question.

pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod change;
pub(crate) mod fleet;
pub(crate) mod list;
pub(crate) mod output;
pub(crate) mod read;
pub(crate) mod submit;
pub(crate) mod why;
