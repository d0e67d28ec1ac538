//! Breaks a real fleet on purpose and judges what happened.
//!
//! Each fault of [`faults::FAULTS`] happens to real processes over a real PostgreSQL while clients submit and
//! cancel tasks whose commands write down what they do. Afterwards the [`checker`] compares the clients' memory, the
//! commands' own word, every step that the database committed, and what is left of processes. One seed makes one
//! load and one fault; what the machine makes of it differs from run to run.
//!
//! Start reading at [`run::run`].

pub mod boot;
pub mod checker;
pub mod cli;
pub mod clock;
pub mod command;
pub mod dump;
pub mod effects;
pub mod faults;
mod gather;
pub mod history;
pub mod load;
pub mod run;
pub mod scenarios;
pub mod scene;
pub mod soak;
pub mod timeline;
pub mod watch;
pub mod wire;
pub mod world;
