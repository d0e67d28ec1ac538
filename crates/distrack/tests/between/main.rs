//! Who may talk to whom between coordinators and workers: every method of both services, with every kind of wrong
//! credentials, over the services as they are.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod authority;
mod matrix;
mod rotation;
mod services;
