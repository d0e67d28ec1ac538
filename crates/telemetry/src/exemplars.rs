//! The latest trace seen in each bucket of a histogram: the way from a slow quantile to what was slow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use distrack_core::TraceId;
use prometheus::proto::{LabelPair, Metric};

use crate::clock;

/// One observation, and the trace it was made in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace: TraceId,
    pub(crate) value: f64,
    /// Since the epoch.
    pub(crate) at: Duration,
}

/// Room for one exemplar in each bucket of one series, the last for what is above every edge.
#[derive(Debug)]
pub(crate) struct Exemplars {
    buckets: Box<[Mutex<Option<Exemplar>>]>,
}

impl Exemplars {
    /// Room for the buckets below `edges` edges and the one above.
    pub(crate) fn new(edges: usize) -> Self {
        Self { buckets: (0..=edges).map(|_| Mutex::new(None)).collect() }
    }

    /// Keeps an observation as the latest of its bucket. Never waits: while another thread writes there, that
    /// one's is as good.
    pub(crate) fn keep(&self, bucket: usize, trace: TraceId, value: f64) {
        let mut slot = match self.buckets[bucket].try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        *slot = Some(Exemplar { trace, value, at: clock::now() });
    }

    /// The latest of a bucket.
    pub(crate) fn latest(&self, bucket: usize) -> Option<Exemplar> {
        *self.buckets.get(bucket)?.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the renderer finds the exemplars of a series, since the registry has no room for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Families {
    families: Arc<RwLock<HashMap<String, Series>>>,
}

impl Families {
    /// The series of a family.
    pub(crate) fn of(&self, family: &str) -> Series {
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        families.get(family).cloned().unwrap_or_default()
    }

    /// Adds a family without series.
    pub(crate) fn add(&self, family: &str) -> Series {
        let series = Series::default();
        let mut families = self.families.write().unwrap_or_else(PoisonError::into_inner);
        families.insert(family.to_owned(), series.clone());
        series
    }
}

/// The exemplars of one family by the values of its labels, in the labels' order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    series: Arc<RwLock<HashMap<Vec<String>, Arc<Exemplars>>>>,
}

impl Series {
    /// Makes room for a new series.
    pub(crate) fn add(&self, metric: &Metric, edges: usize) -> Arc<Exemplars> {
        let exemplars = Arc::new(Exemplars::new(edges));
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.insert(values(metric), Arc::clone(&exemplars));
        exemplars
    }

    /// The exemplars of a series, if it can have any.
    pub(crate) fn of(&self, metric: &Metric) -> Option<Arc<Exemplars>> {
        self.series.read().unwrap_or_else(PoisonError::into_inner).get(&values(metric)).cloned()
    }
}

fn values(metric: &Metric) -> Vec<String> {
    metric.get_label().iter().map(LabelPair::value).map(str::to_owned).collect()
}
