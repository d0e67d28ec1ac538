//! Single values of rows, both ways.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use distrack_core::{Backoff, OnLost, RetryPolicy, TaskState, TraceContext, TraceMode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::StoreError;
use crate::store::Result;

/// The state of a stored number.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is none.
pub fn task_state(code: i16) -> Result<TaskState> {
    TaskState::from_code(code).ok_or_else(|| StoreError::corrupt(format!("state {code}")))
}

pub(super) fn policy(max_attempts: i32, initial_ms: i64, max_ms: i64, on_lost: i16) -> Result<RetryPolicy> {
    Ok(RetryPolicy {
        max_attempts: count(max_attempts)?,
        backoff: Backoff {
            initial: Duration::from_millis(initial_ms.unsigned_abs()),
            max: Duration::from_millis(max_ms.unsigned_abs()),
        },
        on_lost: OnLost::from_code(on_lost)
            .ok_or_else(|| StoreError::corrupt(format!("on_lost {on_lost}")))?,
    })
}

pub(super) fn trace(traceparent: &str, tracestate: &str) -> Result<TraceContext> {
    TraceContext::parse(traceparent, Some(tracestate))
        .ok_or_else(|| StoreError::corrupt(format!("traceparent {traceparent}")))
}

pub(super) fn trace_mode(code: i16) -> Result<TraceMode> {
    TraceMode::from_code(code).ok_or_else(|| StoreError::corrupt(format!("trace mode {code}")))
}

pub(super) fn hex<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| StoreError::corrupt(format!("trace id {text}")))
}

pub(super) fn json_map(value: Option<Value>) -> Result<BTreeMap<String, String>> {
    value.map_or_else(|| Ok(BTreeMap::new()), json)
}

pub(super) fn json<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(StoreError::corrupt)
}

/// A count that the schema keeps signed.
pub(super) fn count<N: TryInto<T> + Display + Copy, T>(number: N) -> Result<T> {
    number.try_into().map_err(|_| StoreError::corrupt(format!("count {number}")))
}

/// A stored duration; a negative one can only come from rounding and is zero.
pub(super) fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

/// A duration to store, at most a year: nothing that is measured here lasts longer.
pub fn to_micros(duration: Duration) -> i64 {
    const YEAR_US: i64 = 366 * 24 * 3600 * 1_000_000;
    i64::try_from(duration.as_micros()).unwrap_or(YEAR_US).min(YEAR_US)
}

/// A count to store.
pub fn to_int<N: TryInto<i32>>(number: N) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// A large count to store.
pub fn to_bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
