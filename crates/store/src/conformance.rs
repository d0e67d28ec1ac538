//! The contract of a store, as tests that run on every implementation.
