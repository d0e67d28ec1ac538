//! Whether a service can do its work now, and if not, why.

use std::sync::{Arc, RwLock};

/// Shared by the loop that knows and the endpoint that tells. Starts as not ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<RwLock<Result<(), String>>>,
    remark: Arc<RwLock<Option<String>>>,
}

impl Readiness {
    /// Not ready, because of `reason`.
    pub fn waiting(reason: &str) -> Self {
        Self { state: Arc::new(RwLock::new(Err(reason.to_owned()))), remark: Arc::default() }
    }

    /// Says whether the service can work; `Err` carries the reason for a person.
    pub fn set(&self, state: Result<(), String>) {
        *self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner) = state;
    }

    /// Says something more, that whoever looks should know, whether or not the service can work.
    pub fn remark(&self, text: &str) {
        *self.remark.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(text.to_owned());
    }

    /// What was remarked.
    pub fn remarked(&self) -> Option<String> {
        self.remark.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The last word.
    pub fn get(&self) -> Result<(), String> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
