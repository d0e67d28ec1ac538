//! The protocol's decisions, as functions over plain values: no clock, no message, no lock, no database.
//!
//! Each part of the fleet asks here what to do next and only carries it out, and an explorer asks the same functions
//! in every order of events that a small fleet permits (`tests/rules/`).
//!
//! - [`dispatch`]: what a coordinator does with assignments on their way: send again, give back, or ask anew.
//! - [`holding`]: what a worker answers to an assignment: accept, repeat an answer, refuse; with its memory.
//! - [`reconcile`]: what a registration makes of the worker's older one, and of the attempts that it does not hold.
//! - [`report`]: what a report means to the task as the store has it.
//! - [`record`]: the task itself, and the guard of each step; the statements of the stores restate it.

pub mod dispatch;
pub mod holding;
pub mod reconcile;
pub mod record;
pub mod report;
