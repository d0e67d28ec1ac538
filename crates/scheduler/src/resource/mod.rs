//! What the API shows: the store's types in the API's form.

pub(crate) mod attempt;
pub(crate) mod audit;
pub(crate) mod cancelled;
pub(crate) mod fleet;
pub(crate) mod output;
pub(crate) mod schema;
pub(crate) mod task;
pub(crate) mod trace;
pub(crate) mod why;
