//! The contract of a store, as tests that run on every implementation.
//!
//! Each case is a sentence of the contract, sorted by verb; [`store_conformance!`](crate::store_conformance)
//! stamps a test for each. A case stops at the trait: it sees no table, and no clock but the store's.

#![expect(missing_docs, reason = "a case is named by the sentence that it proves")]

#[macro_use]
mod cases;

pub mod access;
pub mod aged;
mod attempts;
mod audit;
mod cancel;
mod claim;
mod dropped;
mod due;
mod expiry;
mod explain;
mod fixtures;
mod fleet;
mod hints;
mod idempotency;
mod lease;
mod list;
mod lost;
mod prune;
mod queues;
mod races_reports;
mod races_sessions;
mod races_tasks;
mod receipts;
mod register;
mod release;
mod report;
mod retry;
mod rules;
mod schema;
mod submit;
mod trace;
mod workers;

macro_rules! publish {
    (() $($module:ident { $($case:ident),+ $(,)? })+) => {
        $(pub use $module::{$($case),+};)+
    };
}

conformance_cases! { publish, () }

/// Stamps one `#[tokio::test]` for each case.
///
/// `$new_store` is an async function without arguments that makes a store over a fresh, migrated database. It
/// returns the store as `Arc<dyn Store>`, and a guard that is dropped when the case has ended.
#[macro_export]
macro_rules! store_conformance {
    ($new_store:ident) => {
        $crate::conformance_cases! { $crate::stamp_conformance_cases, $new_store }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! stamp_conformance_cases {
    ($new_store:ident $($module:ident { $($case:ident),+ $(,)? })+) => {
        $(
            mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let (store, _guard) = super::$new_store().await;
                        $crate::conformance::$case(store).await;
                    }
                )+
            }
        )+
    };
}
